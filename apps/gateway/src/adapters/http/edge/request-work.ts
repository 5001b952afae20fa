import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { withDeadline } from '#lib/resilience/call/deadline';
import type { WorkContext } from '#lib/runtime/log/context';
import { beginWork, type UnitOfWork } from '#lib/runtime/work/work-registry';
import { childOfCaller } from '#lib/runtime/log/traceparent';
import { remoteAddressOf } from '#lib/runtime/process/remote-address';
import type { Caller } from '#lib/auth/caller';
import { addressKey, userKey } from '#lib/resilience/limit/fair-share';
import type { ConcurrencyLimit } from './concurrency-limit.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the gateway knows about this request beyond HTTP; null only for requests that the router refused before any hook. */
    work: RequestWork | null;
  }
}

/** Ids that we take over from a client: long enough for any tracing scheme, nothing that could break a log line or a header. */
const REQUEST_ID = /^[A-Za-z0-9_.:-]{1,128}$/;

/** What is known of the route of a request; an unknown one has no URL. */
interface Route {
  readonly url: string | undefined;
  readonly bodyLimit: number;
  readonly deadlineMs: number;
  /** Its body is not parsed at the edge. */
  readonly takesBytes: boolean;
  /** Its answer goes on for as long as its client reads: deadline, metrics and place are those of its head. */
  readonly streams: boolean;
}

/** Everything that the edge remembers about one request, from its first byte to its log line. */
export class RequestWork {
  /** Ids for logs and for the events that follow; the handler runs in it and adds to it. */
  readonly context: WorkContext & { readonly requestId: string; readonly traceparent: string };
  /** `performance.now()` when the head of the request had arrived. */
  readonly startedAt = performance.now();
  /** The template of its route, its deadline in milliseconds and the bytes that its body may have. Looked up once: Fastify makes it anew each time. */
  readonly route: Route;
  /** Who is charged for what this request uses until its user is known: see fair-share.ts. */
  readonly address: string;
  /** Who is charged now. */
  callerKey: string;
  /** How much of its deadline went into finding out whether it may come in, in milliseconds. */
  admissionMs = 0;
  private verified: Caller | undefined;
  /** Bytes of its answer that are counted as not read yet: see answers.ts. */
  unreadBytes = 0;
  /** What it failed with, for the log line. */
  failure: unknown;
  /** Milliseconds until its answer was made; of a stream, its head. */
  answeredAfterMs: number | undefined;
  private leave: (() => void) | undefined;
  /** As operators see it while it is in flight. */
  private inHand: UnitOfWork | undefined;
  private readonly atEnd: (() => void)[] = [];
  private readonly method: string;
  /** The `traceparent` that the client sent, as it came. */
  readonly parent: string | undefined;
  private isHandling = false;
  private isAnswered = false;
  private whenAnswered: (() => void) | undefined;

  /** Takes over `X-Request-Id` and `traceparent` when they are well formed, and makes new ones otherwise. */
  constructor({ headers, method, routeOptions, raw }: Pick<FastifyRequest, 'headers' | 'method' | 'routeOptions' | 'raw'>) {
    const { url, bodyLimit, config } = routeOptions;
    this.method = method;
    this.route = {
      url,
      bodyLimit,
      deadlineMs: config.deadlineMs ?? 0,
      takesBytes: config.takesBytes === true,
      streams: config.streams === true,
    };
    this.address = addressKey(remoteAddressOf(raw.socket.remoteAddress));
    this.callerKey = this.address;
    const { traceparent: parent } = headers;
    this.parent = typeof parent === 'string' ? parent : undefined;
    const given = headers['x-request-id'];
    this.context = {
      requestId: typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID(),
      traceparent: childOfCaller(parent),
    };
  }

  /** Who sent it; undefined before its token was looked at. What a dependency fails at is attributed to this user. */
  get caller(): Caller | undefined {
    return this.verified;
  }

  /** From now on operators see it. */
  begin(): void {
    this.inHand = beginWork(this.context, {
      kind: 'request',
      id: this.context.requestId,
      what: `${this.method} ${this.route.url ?? 'unknown'}`,
    });
  }

  /**
   * Takes a place in flight for its user. It is given back when the handler is done or its deadline is over, and without one when the request is answered: a client that
   * hangs up does not make the work disappear that it started, and one that does not read its answer keeps no place.
   * @throws ProblemError `overloaded`, `rate-limited`.
   */
  enter(inFlight: ConcurrencyLimit, caller: Caller): void {
    this.verified = caller;
    this.context.userId = caller.userId;
    this.callerKey = userKey(caller.userId);
    this.leave = inFlight.enter(this.callerKey);
  }

  /** Calls `giveBack` when the response is finished or its client is gone. */
  whenOver(giveBack: () => void): void {
    this.atEnd.push(giveBack);
  }

  /**
   * Runs the handler within what `budgetMs` has left, and settles by then. In the report of what is in hand it stays until it has really settled.
   */
  handle<T>(budgetMs: number, handler: () => T | Promise<T>): Promise<T> {
    const { inHand } = this;
    const settle = () => (inHand === undefined ? Promise.resolve(handler()) : inHand.handle(budgetMs, handler));
    this.isHandling = true;
    const whenOver = () => {
      this.isHandling = false;
      if (this.isAnswered) this.leave?.();
    };
    return withDeadline(Math.max(0, budgetMs - this.admissionMs), settle, { context: this.context, whenOver });
  }

  /** Settles as the handler does, or when the head of the answer is out: Nest's handlers settle with the end of the answer. */
  untilAnswered(handler: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      // Later than the first write: until then Fastify would send what a handler resolves with.
      this.whenAnswered = () => setImmediate(resolve);
      Promise.resolve(handler()).then(resolve, reject);
    });
  }

  /** Its answer is made, or its client is gone. */
  answered(): void {
    this.whenAnswered?.();
    this.answeredAfterMs ??= performance.now() - this.startedAt;
    this.isAnswered = true;
    this.inHand?.end();
    if (!this.isHandling) this.leave?.();
  }

  /** The response is finished, or its client is gone. */
  close(): void {
    this.answered();
    for (const giveBack of this.atEnd) giveBack();
  }
}

/** The bookkeeping of a request, begun now for one that no hook has seen. */
export const workOf = (request: FastifyRequest): RequestWork => {
  request.work ??= new RequestWork(request);
  return request.work;
};
