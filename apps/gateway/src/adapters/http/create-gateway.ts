import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MemoryPressure } from '#lib/resilience/memory-pressure';
import { Pressure } from '#lib/resilience/pressure';
import { timeoutChain, verifyTimeoutChain } from '#lib/resilience/timeout-chain';
import type { Config } from '#lib/runtime/config';
import { limitConnections } from '#lib/runtime/connection-limits';
import { httpServerLimits } from '#lib/runtime/http-server';
import { NestLogger } from '#lib/runtime/nest-logger';
import type { ProcessParts } from '#lib/runtime/run-process';
import { TokenVerifierPort } from '../../auth/token-verifier.port.js';
import { GatewayModule } from '../../gateway.module.js';
import { admit } from './admission.js';
import { routeDeadlinesMs } from './deadlines.js';
import { type EdgeLimits, edgeLimits } from './edge-limits.js';
import { buildEdge } from './edge.js';
import { linger } from './linger.js';
import { serveOpenApi } from './openapi.js';
import { ProblemFilter, sendProblem } from './problem-filter.js';
import { LIMITERS, type Limiters } from './quotas.js';
import { refuseAddress, refuseConnection } from './refuse-connection.js';

/** How often Node looks for connections that send their request too slowly; its own 30 s would double the time that they may take. */
const SLOW_REQUEST_CHECK_MS = 5_000;

/**
 * The gateway, ready to listen, on a module of adapters. `limits` are shorter in tests. @throws ConfigError when a timeout is longer than the one around it, or when there is
 * nothing to verify tokens with.
 */
export const createGateway = async (
  adapters: Type,
  parts: ProcessParts,
  limits: EdgeLimits = edgeLimits(parts.config),
): Promise<NestFastifyApplication> => {
  const { config, logger } = parts;
  for (const [name, deadlineMs] of Object.entries(routeDeadlinesMs)) verifyTimeoutChain(timeoutChain(config, { name, deadlineMs }));
  const app = await NestFactory.create<NestFastifyApplication>(GatewayModule.on(adapters, parts), fastifyAdapter(config, limits), {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLogger(logger),
  });
  app.useGlobalFilters(new ProblemFilter());
  const instance = app.getHttpAdapter().getInstance();
  instance.server.headersTimeout = httpServerLimits.requestTimeout;
  buildEdge(instance, {
    verifier: app.get(TokenVerifierPort),
    limiters: app.get<Limiters>(LIMITERS),
    limits,
    config,
    logger,
  });
  limitConnections(
    instance.server,
    { max: config.HTTP_MAX_CONNECTIONS, maxPerAddress: config.HTTP_MAX_CONNECTIONS_PER_ADDRESS },
    refuseAddress,
  );
  admit(instance, app.get(Pressure), app.get(MemoryPressure));
  serveOpenApi(app);
  return app;
};

/** Of a path, in characters as they are sent: 255 of them, each escaped in up to nine. */
const MAX_PARAMETER = 2_295;

const fastifyAdapter = (config: Config, limits: EdgeLimits): FastifyAdapter =>
  new FastifyAdapter({
    ...httpServerLimits,
    bodyLimit: config.HTTP_BODY_LIMIT_BYTES,
    // A proxy that is not there must not be believed: X-Forwarded-For is what the caller writes.
    trustProxy: false,
    // While we drain, what still arrives on open connections is answered, with `Connection: close`; readiness keeps new ones away.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // The id of a dead letter is what a stranger may have put there; the schema of each route says how long its parameters may be.
    routerOptions: { maxParamLength: MAX_PARAMETER },
    // No Nest middleware here: every request would pass through a matcher for nothing.
    skipMiddie: true,
    http: { connectionsCheckingInterval: SLOW_REQUEST_CHECK_MS },
    // A path that cannot be one: no hook sees it.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      reply.raw.once('close', () => linger(request.raw, limits.lingerMs));
      sendProblem(request, reply, error);
    },
    clientErrorHandler: refuseConnection,
  });
