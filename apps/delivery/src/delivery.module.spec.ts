import { startOperationsApp } from '#lib/runtime/process/start-app';
import { appModuleContract } from '#lib/testing/app-module.contract';
import { DeliveryModule } from './delivery.module.js';

appModuleContract({
  service: 'delivery',
  start: startOperationsApp(DeliveryModule.live()),
  refusals: [
    {
      when: 'when a slow Postgres and a slow Redis do not fit into the deadline of a handler',
      env: { DB_STATEMENT_TIMEOUT_MS: '9000' },
      says: /DB_STATEMENT_TIMEOUT_MS/,
    },
  ],
});
