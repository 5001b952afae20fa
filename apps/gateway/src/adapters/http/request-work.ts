import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { WorkContext } from '#lib/runtime/context';
import { beginWork, type Work } from '#lib/runtime/in-flight';
import { childTraceparent } from '#lib/runtime/traceparent';
import type { Caller } from '../../auth/caller.js';
import type { InFlight } from './in-flight.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the gateway knows about this request beyond HTTP; null only for requests that the router refused before any hook. */
    work: RequestWork | null;
  }
}

/** Ids that we take over from a client: long enough for any tracing scheme, nothing that could break a log line or a header. */
const REQUEST_ID = /^[A-Za-z0-9_.:-]{1,128}$/;

/** Everything that the edge remembers about one request, from its first byte to its log line. */
export class RequestWork {
  /** Ids for logs and for the events that follow; the handler runs in it and adds to it. */
  readonly context: WorkContext & { readonly requestId: string };
  /** `performance.now()` when the head of the request had arrived. */
  readonly startedAt = performance.now();
  private verified: Caller | undefined;
  /** What it failed with, for the log line. */
  failure: unknown;
  private leave: (() => void) | undefined;
  /** As operators see it while it is in flight. */
  private inHand: Work | undefined;
  private readonly what: string;
  private isHandling = false;
  private isClosed = false;

  /** Takes over `X-Request-Id` and `traceparent` when they are well formed, and makes new ones otherwise. */
  constructor({ headers, method, routeOptions }: Pick<FastifyRequest, 'headers' | 'method' | 'routeOptions'>) {
    this.what = `${method} ${routeOptions.url ?? 'unknown'}`;
    const given = headers['x-request-id'];
    this.context = {
      requestId: typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID(),
      traceparent: childTraceparent(headers['traceparent']),
    };
  }

  /** Who sent it; undefined before its token was looked at. What a dependency fails at is attributed to this user. */
  get caller(): Caller | undefined {
    return this.verified;
  }

  set caller(caller: Caller) {
    this.verified = caller;
    this.context.userId = caller.userId;
  }

  /**
   * Takes a place in flight. It is given back when the response is closed and the handler is done, whichever is later: a client that
   * hangs up does not make the work disappear that it started. @throws ProblemError `overloaded`.
   */
  enter(inFlight: InFlight): void {
    this.leave = inFlight.enter();
    this.inHand = beginWork(this.context, { kind: 'request', id: this.context.requestId, what: this.what });
  }

  /** Runs the handler itself, within its deadline. It stays in the report of what is in hand until it has really settled. */
  settle<T>(deadlineMs: number, handler: () => Promise<T>): Promise<T> {
    return this.inHand === undefined ? handler() : this.inHand.handle(deadlineMs, handler);
  }

  /** Runs the handler with its deadline around it. */
  async handle<T>(handler: () => Promise<T>): Promise<T> {
    this.isHandling = true;
    try {
      return await handler();
    } finally {
      this.isHandling = false;
      if (this.isClosed) this.leave?.();
    }
  }

  /** The response is finished, or its client is gone. */
  close(): void {
    this.isClosed = true;
    this.inHand?.end();
    if (!this.isHandling) this.leave?.();
  }
}

/** The bookkeeping of a request, begun now for one that no hook has seen. */
export const workOf = (request: FastifyRequest): RequestWork => {
  request.work ??= new RequestWork(request);
  return request.work;
};
