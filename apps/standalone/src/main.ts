import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runProcess, thisProcess } from '#lib/runtime/process/run-process';
import { embeddedEnvironment } from './embedded-environment.js';
import { startStandalone } from './start-standalone.js';

await runProcess(
  { service: 'standalone', drainMs: drainTimes.standalone, start: startStandalone },
  { ...thisProcess, env: embeddedEnvironment(thisProcess.env) },
);
