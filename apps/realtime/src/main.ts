import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runProcess } from '#lib/runtime/process/run-process';
import { RealtimeModule } from './realtime.module.js';
import { startRealtime } from './start-realtime.js';

await runProcess({
  service: 'realtime',
  drainMs: drainTimes.realtime,
  start: startRealtime(RealtimeModule.live()),
});
