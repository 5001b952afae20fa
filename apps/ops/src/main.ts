import 'reflect-metadata';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { migrateAndExit } from './adapters/migrate-and-exit.js';
import { OpsModule } from './ops.module.js';

/** Milliseconds after the handlers' drain: 5 s for running publishes, 5 s for open confirms, 5 s for closing. */
const CLOSING_MS = 15_000;

if (process.argv[2] === 'migrate') await migrateAndExit();
await runProcess({
  service: 'ops',
  isBackground: true,
  drainMs: ({ BUS_DRAIN_MS }) => BUS_DRAIN_MS + CLOSING_MS,
  start: startOperationsApp(OpsModule),
});
