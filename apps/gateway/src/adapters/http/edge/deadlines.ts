import type { FastifyInstance, RouteHandlerMethod } from 'fastify';
import { routeDeadlinesMs, streamingRoutes } from '#lib/contracts/route-deadlines';
import { isOperations } from './operations-routes.js';
import { workOf } from './request-work.js';

/** Deep health asks everything for 2 s at once and promises 2.5 s; nothing else here waits at all. */
const OPERATIONS_MS = 2_400;

/** The deadline of a route; operations routes share one. @throws Error for a route without a deadline. */
const deadlineOf = (method: string, url: string): number => {
  const known = routeDeadlinesMs[`${method === 'HEAD' ? 'GET' : method} ${url}`];
  if (known !== undefined) return known;
  if (isOperations(url)) return OPERATIONS_MS;
  throw new Error(`${method} ${url} has no deadline: give it one in libs/contracts/src/route-deadlines.ts`);
};

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The deadline of the route in milliseconds; that of an unknown route is undefined. */
    deadlineMs?: number;
    /** Its answer goes on after its head: the deadline is that of the head. */
    streams?: boolean;
  }
}

/**
 * Runs every handler within what its request's deadline has left and in the context of its request. Done here, around Fastify's handler, because
 * it costs next to nothing and no route can be without it; it also keeps the place in flight until the handler is done or its deadline is
 * over, not only until its client is gone. The deadline begins with the first hook (`admissionMs`); while the body arrives it stands still, because that is the client's time.
 */
export const giveEveryRouteItsDeadline = (instance: FastifyInstance): void => {
  const wrapped = new WeakSet<RouteHandlerMethod>();
  instance.addHook('onRoute', (route) => {
    const { handler } = route;
    if (wrapped.has(handler)) return; // the HEAD route that Fastify makes of a GET route
    const methods = [route.method].flat();
    const budgetMs = Math.min(...methods.map((method) => deadlineOf(method, route.url)));
    const streams = methods.some((method) => streamingRoutes.has(`${method} ${route.url}`));
    const timed: RouteHandlerMethod = function timed(request, reply) {
      const work = workOf(request);
      const handle = () => handler.call(this, request, reply);
      return work.handle(budgetMs, streams ? () => work.untilAnswered(handle) : handle);
    };
    wrapped.add(timed);
    route.handler = timed;
    route.config = { ...route.config, deadlineMs: budgetMs, streams };
  });
};
