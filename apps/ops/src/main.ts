import 'reflect-metadata';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { migrateAndExit } from './adapters/migrate-and-exit.js';
import { OpsModule } from './ops.module.js';

/** Longest drain in milliseconds: 5 s for running publishes, 5 s for open confirms, 5 s for closing. */
const DRAIN_MS = 15_000;

if (process.argv[2] === 'migrate') await migrateAndExit();
await runProcess({ service: 'ops', drainMs: () => DRAIN_MS, start: startOperationsApp(OpsModule) });
