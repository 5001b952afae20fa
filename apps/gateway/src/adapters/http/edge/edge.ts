import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '#lib/runtime/config/config';
import { runInContext } from '#lib/runtime/log/context';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Caller } from '#lib/auth/caller';
import type { TokenVerifierPort } from '#lib/auth/token-verifier.port';
import { userLimits } from '../../../auth/user-limits.js';
import { Answers } from '../routes/answers.js';
import { authenticate } from './authentication.js';
import { giveEveryRouteItsBodyLimit } from './body-limits.js';
import { ByteQuota } from './byte-quota.js';
import { Cors } from './cors.js';
import { giveEveryRouteItsDeadline } from './deadlines.js';
import type { EdgeLimits } from './edge-limits.js';
import { ErrorRate } from './error-rate.js';
import { ConcurrencyLimit } from './concurrency-limit.js';
import { acceptJsonOnly } from './json-body.js';
import { KnownPaths } from './known-paths.js';
import { closeGracefully } from './close-gracefully.js';
import { linger } from './linger.js';
import { isOperations } from './operations-routes.js';
import { takeFromByteQuota, takeFromRequestQuota } from './quotas.js';
import type { Limiters } from '#lib/resilience/limit/limiters';
import { problemOfHead } from './request-head.js';
import { recordRequest } from './request-log.js';
import { RequestWork, workOf } from './request-work.js';
import { headersOf } from './response-headers.js';
import { MCP_ROUTE } from '../../mcp/mcp-body.js';
import { nameResourceMetadata } from '../../mcp/protected-resource.js';
import { handOverBytes } from '../large-bodies/large-body-routes.js';

/** What the edge of the gateway asks before it lets a request in. */
export interface EdgeParts {
  readonly verifier: TokenVerifierPort;
  readonly limiters: Limiters;
  readonly limits: EdgeLimits;
  readonly config: Config;
  readonly logger: Logger;
}

/**
 * What happens to every request around its handler, as Fastify hooks: they cost microseconds, run before the body is read, and hold for unknown
 * routes too. In this order: ids and headers; what the head alone refuses; who calls, a place in flight, its quotas, whose time the deadline counts;
 * then the body, its schema (Nest), the handler in what the deadline has left; at the end the answer is counted until its client has read it.
 */
export const buildEdge = (instance: FastifyInstance, { verifier, limiters, limits, config, logger }: EdgeParts): void => {
  const errors = new ErrorRate();
  errors.start();
  instance.addHook('onClose', async () => errors.stop());
  instance.decorateRequest('work', null);
  const paths = new KnownPaths(instance);
  const cors = new Cors(config.CORS_ORIGINS, paths);
  const inFlight = new ConcurrencyLimit(limits.inFlight, limits.inFlightPerUser);
  const answers = new Answers(limits, instance.server);
  const bytes = new ByteQuota(userLimits(config).bytesPerSecond);
  acceptJsonOnly(instance, limits);
  handOverBytes(instance, new ByteQuota(userLimits(config).bodyBytesPerSecond));
  nameResourceMetadata(instance, config.MCP_URL);
  giveEveryRouteItsBodyLimit(instance, config.HTTP_BODY_LIMIT_BYTES);
  giveEveryRouteItsDeadline(instance);

  instance.addHook('onRequest', (request, reply, done) => {
    const work = new RequestWork(request);
    request.work = work;
    metrics.httpConcurrentRequests.inc();
    reply.raw.on('close', () => {
      metrics.httpConcurrentRequests.dec();
      recordRequest(request, reply, logger, errors);
      work.close();
      answers.remove(request);
      linger(request.raw, limits.lingerMs);
    });
    reply.headers(headersOf(work.route.url)).header('x-request-id', work.context.requestId);
    if (cors.apply(request, reply)) return;
    done(problemOfHead(request, reply, paths));
  });

  const admit = async (request: FastifyRequest, reply: FastifyReply, work: RequestWork, route: string): Promise<void> => {
    const leave = inFlight.authenticate(work.address);
    let caller: Caller;
    try {
      caller = await authenticate(verifier, request.headers.authorization, route);
      work.enter(inFlight, caller);
    } finally {
      leave();
    }
    takeFromByteQuota(bytes, work.callerKey);
    // A tool call counts as the route that it stands for, and which that is stands in its body.
    if (route !== MCP_ROUTE) await takeFromRequestQuota(limiters, caller.userId, request.method, reply);
    work.admissionMs = performance.now() - work.startedAt;
  };
  instance.addHook('onRequest', (request, reply, done) => {
    const work = workOf(request);
    const { url } = work.route;
    if (url === undefined || isOperations(url)) return done();
    work.begin();
    const goOn = () => done();
    runInContext(work.context, () => admit(request, reply, work, url)).then(goOn, done);
  });

  const closing = closeGracefully(instance);
  instance.addHook('onSend', (request, reply, payload, done) => {
    const work = workOf(request);
    work.answered();
    const size = bytesOf(payload);
    // Its client is gone: `close` has been, so nothing would take the answer off the unread ones again. The work was done and is charged.
    if (reply.raw.destroyed) {
      bytes.charge(work.callerKey, size);
      return done();
    }
    const problem = answers.add(request, size);
    if (problem !== undefined) return done(problem);
    bytes.charge(work.callerKey, size);
    // Fastify closes the connection when it has not read the whole body, and a client that is still writing would see a broken pipe instead of
    // its answer: linger.ts does that later.
    if (!request.raw.complete) reply.removeHeader('connection');
    if (closing.hasBegun) reply.header('connection', 'close');
    reply.header('server-timing', `app;dur=${(performance.now() - work.startedAt).toFixed(1)}`);
    done();
  });
};

// Streams (files of the API's page) are read from disk as they are sent.
const bytesOf = (payload: unknown): number => (typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0);
