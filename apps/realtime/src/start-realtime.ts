import type { DynamicModule } from '@nestjs/common';
import type { Config } from '#lib/runtime/config/config';
import type { ConnectionLimits } from '#lib/runtime/process/connection-limits';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';

/** Sockets, and what has not said hello, of which strangers.ts counts the addresses. */
export const connectionLimits = ({ WS_MAX_SOCKETS, HTTP_MAX_CONNECTIONS }: Config): ConnectionLimits => ({
  max: HTTP_MAX_CONNECTIONS === 0 ? 0 : WS_MAX_SOCKETS + HTTP_MAX_CONNECTIONS,
  maxPerAddress: 0,
});

/** The `start` of the realtime process: one port for probes, metrics and the sockets of users. */
export const startRealtime = (realtime: DynamicModule): ((parts: ProcessParts) => Promise<() => Promise<void>>) =>
  startOperationsApp(realtime, connectionLimits);
