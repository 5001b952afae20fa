import 'reflect-metadata';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { EmbeddingModule } from './embedding.module.js';

/** After the handlers have had their time: closing channels (5 s), flushing confirms (5 s) and connections (2 s), with a margin. */
const CLOSING_MS = 15_000;

await runProcess({
  service: 'embedding',
  drainMs: ({ BUS_DRAIN_MS }) => BUS_DRAIN_MS + CLOSING_MS,
  start: startOperationsApp(EmbeddingModule),
});
