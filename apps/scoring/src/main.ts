import 'reflect-metadata';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { ScoringModule } from './scoring.module.js';

/** Milliseconds after the handlers' drain: closing channels (5 s), open confirms (5 s), connections (2 s), and a margin. */
const CLOSING_MS = 15_000;

// A scoring run of 180 s is not waited for: it stores nothing before its end and is delivered again. Only calls of the model are repeated,
// and a rollout takes a minute instead of four.
await runProcess({
  service: 'scoring',
  isBackground: true,
  drainMs: ({ BUS_DRAIN_MS }) => BUS_DRAIN_MS + CLOSING_MS,
  start: startOperationsApp(ScoringModule),
});
