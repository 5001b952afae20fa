import 'reflect-metadata';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { migrateAndExit } from './adapters/migrate-and-exit.js';
import { OpsModule } from './ops.module.js';

/** What is being published gets 5 s, then flushing (5 s) and closing (5 s). */
const DRAIN_MS = 15_000;

if (process.argv[2] === 'migrate') await migrateAndExit();
await runProcess({ service: 'ops', drainMs: () => DRAIN_MS, start: startOperationsApp(OpsModule) });
