import { startOperationsApp } from '#lib/runtime/process/start-app';
import { appModuleContract } from '#lib/testing/app-module.contract';
import { EmbeddingModule } from './embedding.module.js';

appModuleContract({
  service: 'embedding',
  start: startOperationsApp(EmbeddingModule.live()),
  refusals: [
    {
      when: 'when a slow Postgres and a slow embedder do not fit into the deadline of a handler',
      env: { DB_STATEMENT_TIMEOUT_MS: '9000' },
      says: /DB_STATEMENT_TIMEOUT_MS/,
    },
  ],
});
