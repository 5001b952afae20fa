import type { FastifyInstance, RouteHandlerMethod } from 'fastify';
import { withDeadline } from '#lib/resilience/call/deadline';
import { runInContext } from '#lib/runtime/log/context';
import { isOperations } from './operations-routes.js';
import { workOf } from './request-work.js';

/** A send: one commit, 1 s for a connection and 3 s for the statement, and room for an answer. */
const SEND_MS = 5_500;
/** Any other access to Postgres. */
const ACCESS_MS = 6_000;
/** R104; its stages have 2 s each, a reranker takes the rest. */
const SEARCH_MS = 10_000;
/** What asks the broker (2 s) rather than Postgres. */
const BROKER_MS = 6_000;
/** Dead letters: 2 s to connect, 5 s until they are free, 5 s to look or 20 s for an order, a confirm (5 s), and giving back (3 s). */
const LETTERS_MS = 25_000;
const ORDER_MS = 45_000;
/** Deep health asks everything for 2 s at once and promises 2.5 s; nothing else here waits at all. */
const OPERATIONS_MS = 2_400;

/** The deadline of every route in milliseconds, in one place. A route that is missing here keeps the gateway from starting. */
export const routeDeadlinesMs: Readonly<Record<string, number>> = {
  'POST /v1/conversations': ACCESS_MS,
  'GET /v1/conversations': ACCESS_MS,
  'GET /v1/conversations/:conversationId': ACCESS_MS,
  'PUT /v1/conversations/:conversationId/members/:userId': ACCESS_MS,
  'DELETE /v1/conversations/:conversationId/members/:userId': ACCESS_MS,
  'PUT /v1/conversations/:conversationId/receipts': ACCESS_MS,
  'POST /v1/conversations/:conversationId/messages': SEND_MS,
  'GET /v1/conversations/:conversationId/messages': ACCESS_MS,
  'GET /v1/messages/:messageId': ACCESS_MS,
  'PATCH /v1/messages/:messageId': ACCESS_MS,
  'DELETE /v1/messages/:messageId': ACCESS_MS,
  'GET /v1/search': SEARCH_MS,
  'POST /v1/conversations/:conversationId/context': SEARCH_MS,
  'GET /v1/admin/queues': BROKER_MS,
  'GET /v1/admin/dead-letters': LETTERS_MS,
  'GET /v1/admin/dead-letters/:letterId': LETTERS_MS,
  'GET /v1/admin/outbox': ACCESS_MS,
  'POST /v1/admin/outbox/unpark': ACCESS_MS,
  'GET /v1/admin/consistency': ACCESS_MS,
  'POST /v1/admin/consistency/check': ACCESS_MS,
  'POST /v1/admin/consistency/repair': ACCESS_MS,
  'POST /v1/admin/dead-letters/replay': ORDER_MS,
  'POST /v1/admin/dead-letters/discard': ORDER_MS,
  'GET /v1/admin/in-flight': ACCESS_MS,
  'GET /v1/admin/breakers': ACCESS_MS,
};

/** The deadline of a route; operations routes share one. @throws Error for a route that nobody gave a deadline. */
const deadlineOf = (method: string, url: string): number => {
  const known = routeDeadlinesMs[`${method === 'HEAD' ? 'GET' : method} ${url}`];
  if (known !== undefined) return known;
  if (isOperations(url)) return OPERATIONS_MS;
  throw new Error(`${method} ${url} has no deadline: give it one in deadlines.ts`);
};

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The deadline of the route in milliseconds; that of an unknown route is undefined. */
    deadlineMs?: number;
  }
}

/**
 * Runs every handler within what its request's deadline has left and in the context of its request. Done here, around Fastify's handler, because
 * it costs next to nothing and no route can be without it; it also keeps the place in flight until the handler is done, not only until its
 * client is gone. The deadline begins with the first hook (`admissionMs`); while the body arrives it stands still, because that is the client's time.
 */
export const giveEveryRouteItsDeadline = (instance: FastifyInstance): void => {
  const wrapped = new WeakSet<RouteHandlerMethod>();
  instance.addHook('onRoute', (route) => {
    const { handler } = route;
    if (wrapped.has(handler)) return; // the HEAD route that Fastify makes of a GET route
    const methods = [route.method].flat();
    const budgetMs = Math.min(...methods.map((method) => deadlineOf(method, route.url)));
    const timed: RouteHandlerMethod = function timed(request, reply) {
      const work = workOf(request);
      const answer = () => work.settle(budgetMs, async () => handler.call(this, request, reply));
      const leftMs = Math.max(0, budgetMs - work.admissionMs);
      return work.handle(() => runInContext(work.context, () => withDeadline(leftMs, answer)));
    };
    wrapped.add(timed);
    route.handler = timed;
    route.config = { ...route.config, deadlineMs: budgetMs };
  });
};
