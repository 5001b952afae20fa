import type { FastifyInstance } from 'fastify';
import { problems } from '#lib/contracts/problems';
import type { Logger } from '#lib/runtime/logger';
import { metrics } from '#lib/runtime/metrics';
import type { TokenVerifierPort } from '../../auth/token-verifier.port.js';
import { authenticate } from './authentication.js';
import { giveEveryRouteItsDeadline } from './deadlines.js';
import { ErrorRate } from './error-rate.js';
import type { InFlight } from './in-flight.js';
import { acceptJsonOnly } from './json-body.js';
import { leaveGently } from './leave-gently.js';
import { isOperations } from './operations-routes.js';
import { type Limiters, takeFromQuota } from './quotas.js';
import { recordRequest } from './request-log.js';
import { RequestWork, workOf } from './request-work.js';
import { headersOf } from './response-headers.js';

const PAYLOAD_TOO_LARGE = problems['payload-too-large'].status;

/** What the edge of the gateway asks before it lets a request in. */
export interface EdgeParts {
  readonly verifier: TokenVerifierPort;
  readonly limiters: Limiters;
  readonly inFlight: InFlight;
  readonly logger: Logger;
}

/**
 * What happens to every request around its handler, as Fastify hooks: they cost microseconds, run before the body is read, and hold for unknown
 * routes too. In this order: ids and headers, a place in flight, who calls, its quota; then the body, its schema (Nest), the handler in its deadline;
 * at the end `Server-Timing`, the log line and the metrics.
 */
export const buildEdge = (instance: FastifyInstance, { verifier, limiters, inFlight, logger }: EdgeParts): void => {
  const errors = new ErrorRate();
  errors.start();
  instance.addHook('onClose', async () => errors.stop());
  instance.decorateRequest('work', null);
  acceptJsonOnly(instance);
  giveEveryRouteItsDeadline(instance);

  instance.addHook('onRequest', (request, reply, done) => {
    const work = new RequestWork(request);
    request.work = work;
    metrics.httpConcurrentRequests.inc();
    reply.raw.once('close', () => {
      metrics.httpConcurrentRequests.dec();
      recordRequest(request, reply, logger, errors);
      work.close();
    });
    const route = request.routeOptions.url;
    reply.headers(headersOf(route)).header('x-request-id', work.context.requestId);
    if (!isOperations(route)) work.enter(inFlight);
    done();
  });

  instance.addHook('onRequest', async (request, reply) => {
    const route = request.routeOptions.url;
    // An unknown route tells nobody anything, so it needs no token.
    if (route === undefined || isOperations(route)) return;
    const work = workOf(request);
    work.caller = await authenticate(verifier, request.headers.authorization, route);
    await takeFromQuota(limiters, work.caller.userId, request.method, reply);
  });

  const closing = leaveGently(instance);
  instance.addHook('onSend', (request, reply, _payload, done) => {
    // Fastify closes the connection after 413, and a client that is still writing its 10 MB sees a broken pipe instead of the answer.
    // Without that, Node reads the rest and throws it away, for as long as a request may take to arrive.
    if (reply.statusCode === PAYLOAD_TOO_LARGE) reply.removeHeader('connection');
    if (closing.hasBegun) reply.header('connection', 'close');
    reply.header('server-timing', `app;dur=${(performance.now() - workOf(request).startedAt).toFixed(1)}`);
    done();
  });
};
