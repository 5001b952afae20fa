import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type ConnectionLimits, limitConnections } from './connection-limits.js';
import { SILENT_UNTIL_READY, useProcessLogger } from '../log/log.module.js';

/**
 * Limits of every HTTP server of Parley, in milliseconds. `keepAliveTimeout` is longer than the 60 s of a load balancer: the
 * side that sends on an idle connection must be the one that closes it. `requestTimeout` is the time to receive a whole request.
 */
export const httpServerLimits = { keepAliveTimeout: 65_000, requestTimeout: 30_000 } as const;

/** Orchestrators, Prometheus and a few operators need far fewer connections to a background process; more are an attack. */
const OPERATIONS_CONNECTIONS = { max: 256, maxPerAddress: 0 } as const;
// /livez, /readyz and /metrics take no body.
const OPERATIONS_BODY_LIMIT_BYTES = 1_024;

/** The module type of Nest's factory, static or dynamic. */
type Module = Parameters<typeof NestFactory.create>[0];

/**
 * The Nest application of a background process: the operations endpoints on its own port and no other HTTP.
 * The caller connects its transports, calls `listen`, and closes it. @param connections of a process with more than operators at its port.
 */
export const createOperationsApp = async (
  module: Module,
  connections: ConnectionLimits = OPERATIONS_CONNECTIONS,
): Promise<NestFastifyApplication> => {
  const app = await NestFactory.create<NestFastifyApplication>(
    module,
    new FastifyAdapter({
      ...httpServerLimits,
      // No answer here takes longer, and one that is not read must not be kept.
      connectionTimeout: httpServerLimits.requestTimeout,
      bodyLimit: OPERATIONS_BODY_LIMIT_BYTES,
      forceCloseConnections: 'idle',
    }),
    SILENT_UNTIL_READY,
  );
  useProcessLogger(app);
  limitConnections(app.getHttpServer(), connections, (socket) => socket.destroy());
  return app;
};
