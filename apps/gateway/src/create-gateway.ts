import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MemoryPressure } from '#lib/resilience/load/memory-pressure';
import { Pressure } from '#lib/resilience/load/pressure';
import { timeoutChain, verifyTimeoutChain } from '#lib/resilience/call/timeout-chain';
import type { Config } from '#lib/runtime/config/config';
import { limitConnections } from '#lib/runtime/process/connection-limits';
import { httpServerLimits } from '#lib/runtime/process/http-server';
import { SILENT_UNTIL_READY, useProcessLogger } from '#lib/runtime/log/log.module';
import { ProcessModule } from '#lib/runtime/process/process.module';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { startApp } from '#lib/runtime/process/start-app';
import { TokenVerifierPort } from '#lib/auth/token-verifier.port';
import { GatewayModule } from './gateway.module.js';
import { admit } from './adapters/http/edge/admission.js';
import { routeDeadlinesMs } from '#lib/contracts/route-deadlines';
import { type EdgeLimits, edgeLimits } from './adapters/http/edge/edge-limits.js';
import { buildEdge } from './adapters/http/edge/edge.js';
import { linger } from './adapters/http/edge/linger.js';
import { serveConsole } from './adapters/http/console/serve-console.js';
import { serveOpenApi } from './adapters/http/schema/openapi.js';
import { ProblemFilter, sendProblem } from './adapters/http/problems/problem-filter.js';
import { LIMITERS, type Limiters } from '#lib/resilience/limit/limiters';
import { sendDirectly } from './adapters/http/routes/direct-send.js';
import { MessagesController } from './adapters/http/routes/messages.controller.js';
import { refuseAddress, refuseConnection } from './adapters/http/edge/refuse-connection.js';

/** How often Node looks for connections that send their request too slowly; its own 30 s would double the time that they may take. */
const SLOW_REQUEST_CHECK_MS = 5_000;

/** Root of the process: what every process has beside the module of the gateway. */
class GatewayRoot {}

/** The `start` of the gateway process, see {@link startApp}. */
export const startGateway = async (parts: ProcessParts): Promise<() => Promise<void>> =>
  startApp(await createGateway(GatewayModule.live(), parts), parts.config);

/**
 * The gateway, ready to listen. `limits` are shorter in tests.
 * @throws ConfigError when a timeout is longer than the one around it, or when there is nothing to verify tokens with.
 */
export const createGateway = async (
  gateway: DynamicModule,
  parts: ProcessParts,
  limits: EdgeLimits = edgeLimits(parts.config),
): Promise<NestFastifyApplication> => {
  const { config, logger } = parts;
  for (const [name, deadlineMs] of Object.entries(routeDeadlinesMs)) verifyTimeoutChain(timeoutChain(config, { name, deadlineMs }));
  const root: DynamicModule = { module: GatewayRoot, imports: [ProcessModule.of(parts, { listens: 'last' }), gateway] };
  const app = await NestFactory.create<NestFastifyApplication>(root, fastifyAdapter(config, limits), {
    bodyParser: false,
    ...SILENT_UNTIL_READY,
  });
  useProcessLogger(app);
  app.useGlobalFilters(new ProblemFilter());
  const instance = app.getHttpAdapter().getInstance();
  instance.server.headersTimeout = httpServerLimits.requestTimeout;
  sendDirectly(instance, app.get(MessagesController));
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
  serveConsole(instance, config);
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
