import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { isTracing, recordSpan } from '#lib/runtime/trace/span';
import type { ErrorRate } from './error-rate.js';
import { isOperations } from './operations-routes.js';
import { RefusalLog } from './refusal-log.js';
import { type RequestWork, workOf } from './request-work.js';

/** Label and log value of the route of a request that no route is for; its path is not ours to trust. */
const UNKNOWN_ROUTE = 'unknown';
/** Not an HTTP status of ours: the client went away before it was answered (nginx calls it the same). */
const CLIENT_GONE = 499;

/** Writes the one log line of a request (R022) and counts it, when its response is finished or its client is gone. */
export const recordRequest = (request: FastifyRequest, reply: FastifyReply, logger: Logger, errors: ErrorRate): void => {
  const work = workOf(request);
  const route = work.route.url ?? UNKNOWN_ROUTE;
  const { method } = request;
  // A stream is ended by its client as a rule, and was answered long before.
  const status = reply.raw.writableEnded || work.route.streams ? reply.raw.statusCode : CLIENT_GONE;
  const durationMs = performance.now() - work.startedAt;
  const observedMs = work.route.streams ? (work.answeredAfterMs ?? durationMs) : durationMs;
  metrics.httpRequestDuration.observe({ route, method, status: String(status) }, observedMs / 1_000);
  errors.count(status >= 500);
  if (status === 500) metrics.uncaughtErrors.inc({ where: 'request' });
  if (isTracing() && !isOperations(route)) recordSpan(spanOf(work, { method, route, status }));

  // With its ids, because it is written outside of the context of the request.
  const fields = {
    ...work.context,
    method,
    route,
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    ...failureOf(work.failure),
  };
  const level = levelOf(route, status);
  const warning = level === 'warn' ? refusals.warn(`${method} ${route} ${codeOf(work.failure)}`) : undefined;
  if (level === 'warn') logger[warning === undefined ? 'info' : 'warn']({ ...fields, ...warning }, 'request');
  else logger[level](fields, 'request');
};

/** The span of the server: its trace context is that of the request, so that headers, log lines and spans name the same one. */
const spanOf = (work: RequestWork, { method, route, status }: { method: string; route: string; status: number }) => {
  const { requestId, conversationId, messageId, traceparent } = work.context;
  return {
    name: route === UNKNOWN_ROUTE ? method : `${method} ${route}`,
    kind: 'server' as const,
    traceparent,
    parent: work.parent,
    startedAt: work.startedAt,
    attributes: {
      'http.request.method': method,
      'http.route': route === UNKNOWN_ROUTE ? undefined : route,
      'http.response.status_code': status,
      'app.request_id': requestId,
      'app.conversation_id': conversationId,
      'app.message_id': messageId,
    },
    // As the conventions have it: what is wrong with a request is no failure of the server.
    failure: status >= 500 ? codeOf(work.failure) : undefined,
  };
};

/** Of this process: a refusal is a warning, a thousand of them are not a thousand. */
const refusals = new RefusalLog();

const codeOf = (failure: unknown): string => (failure instanceof ProblemError ? failure.code : '-');

// Probes come every few seconds and say nothing while they are answered.
const levelOf = (route: string, status: number): 'debug' | 'info' | 'warn' | 'error' => {
  if (status === 500) return 'error';
  if (isOperations(route)) return 'debug';
  return status > 500 ? 'warn' : 'info';
};

const failureOf = (failure: unknown): Record<string, unknown> => {
  if (!(failure instanceof ProblemError)) return {};
  const { code, cause } = failure;
  // 5xx is ours to explain, and so is a token that was refused; what is wrong with a request its sender has been told.
  if (code === 'internal') return { code, err: cause };
  return cause instanceof Error ? { code, reason: cause.message.slice(0, 200) } : { code };
};
