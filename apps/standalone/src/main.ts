import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runProcess, thisProcess } from '#lib/runtime/process/run-process';
import { embeddedEnvironment, ignoredSettings } from './embedded-environment.js';
import { startStandalone } from './start-standalone.js';

await runProcess(
  { service: 'standalone', drainMs: drainTimes.standalone, start: (parts) => startStandalone(parts, ignoredSettings(thisProcess.env)) },
  { ...thisProcess, env: embeddedEnvironment(thisProcess.env) },
);
