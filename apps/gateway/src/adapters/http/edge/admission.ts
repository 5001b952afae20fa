import type { FastifyInstance } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import type { MemoryPressure } from '#lib/resilience/load/memory-pressure';
import type { Pressure, Priority } from '#lib/resilience/load/pressure';
import { metrics } from '#lib/runtime/metrics/metrics';
import { workOf } from './request-work.js';

/**
 * Requests that add to queues, outbox and buffers, and how much they matter when those fill up: a client waits for a message, but not for a
 * document or a log. What is not listed makes no events and is never refused for their sake. Routes that are not there yet are listed too.
 */
const priorities: Readonly<Record<string, Priority>> = {
  'POST /v1/conversations/:conversationId/messages': 'normal',
  'PATCH /v1/messages/:messageId': 'normal',
  'DELETE /v1/messages/:messageId': 'normal',
  'POST /v1/conversations/end': 'low',
  'POST /v1/documents': 'low',
  'POST /v1/friendship_status/calculate-score-and-update': 'low',
};

/** Backlogs shrink in seconds at best; who comes back at once only hears the same. */
const RETRY_AFTER_SECONDS = 5;

/** Refuses with 503, before their body is read, what would overflow the system (ruling C4) or the memory of this process (R105). */
export const admit = (instance: FastifyInstance, pressure: Pressure, memory: MemoryPressure): void => {
  instance.addHook('onRequest', (request, _reply, done) => {
    const refusal = refusalOf(pressure, `${request.method} ${workOf(request).route.url ?? ''}`);
    if (refusal !== undefined) return done(refusal);
    if (!memory.allowsBody(bodyBytesOf(request.headers))) return done(refused('memory', 'There is no memory for a large body now.'));
    done();
  });
};

/** For what stands for a route and came another way. @throws ProblemError `overloaded` when a request to `route` would be refused now. */
export const verifyAdmitted = (pressure: Pressure, route: string): void => {
  const refusal = refusalOf(pressure, route);
  if (refusal !== undefined) throw refusal;
};

const refusalOf = (pressure: Pressure, route: string): ProblemError | undefined => {
  const priority = priorities[route];
  if (priority === undefined || pressure.allows(priority)) return undefined;
  return refused(priority, 'The system has as much to do as it can take.');
};

/** 0 without a body; undefined when it comes in chunks of unknown length. */
const bodyBytesOf = (headers: { 'content-length'?: string | undefined; 'transfer-encoding'?: string | undefined }): number | undefined => {
  if (headers['transfer-encoding'] !== undefined) return undefined;
  return Number(headers['content-length'] ?? 0);
};

const refused = (reason: string, detail: string): ProblemError => {
  metrics.loadShed.inc({ reason });
  return new ProblemError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
};
