import 'reflect-metadata';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { EmbeddingModule } from './embedding.module.js';

/** Milliseconds after the handlers' drain: closing channels (5 s), open confirms (5 s), connections (2 s), and a margin. */
const CLOSING_MS = 15_000;

await runProcess({
  service: 'embedding',
  isBackground: true,
  drainMs: ({ BUS_DRAIN_MS }) => BUS_DRAIN_MS + CLOSING_MS,
  start: startOperationsApp(EmbeddingModule),
});
