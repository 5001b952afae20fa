import 'reflect-metadata';
import { runProcess } from '#lib/runtime/process/run-process';
import { RealtimeModule } from './realtime.module.js';
import { startRealtime } from './start-realtime.js';

/** Milliseconds after the drain of the sockets: the last acknowledgements, confirms and closing connections. */
const CLOSING_MS = 5_000;

await runProcess({
  service: 'realtime',
  drainMs: ({ WS_DRAIN_MS }) => WS_DRAIN_MS + CLOSING_MS,
  start: startRealtime(RealtimeModule.live()),
});
