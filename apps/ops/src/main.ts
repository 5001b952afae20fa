import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { migrateAndExit } from './adapters/migrate-and-exit.js';
import { OpsModule } from './ops.module.js';

if (process.argv[2] === 'migrate') await migrateAndExit();
await runProcess({
  service: 'ops',
  isBackground: true,
  drainMs: drainTimes.ops,
  start: startOperationsApp(OpsModule.live()),
});
