import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { EmbeddingModule } from './embedding.module.js';

await runProcess({
  service: 'embedding',
  isBackground: true,
  drainMs: drainTimes.embedding,
  start: startOperationsApp(EmbeddingModule.live()),
});
