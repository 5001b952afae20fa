import type { AckFrame, ErrorCode, ErrorFrame, SendFrame } from './frames.js';
import { ParleyError } from './parley-error.js';
import { randomId } from './random-id.js';
import { LONGEST_TIMER_MS, spread } from './timers.js';

/** A message that is stored. */
export interface Acknowledged {
  readonly id: string;
  readonly seq: number;
  readonly clientMessageId: string;
}

export interface SendOptions {
  /** The id that makes repetitions harmless; by default a random one. The same one again is acknowledged as the first time. */
  readonly clientMessageId?: string;
  /** Time for the acknowledgement, reconnecting included; default 30,000 ms. */
  readonly timeoutMs?: number;
}

interface Pending {
  readonly frame: SendFrame;
  readonly endsAt: number;
  readonly resolve: (acknowledged: Acknowledged) => void;
  readonly reject: (error: ParleyError) => void;
  readonly deadline: ReturnType<typeof setTimeout>;
  retry?: ReturnType<typeof setTimeout>;
}

const MAX_PENDING = 1_000;
/** What the server takes in one frame (WS_MAX_FRAME_BYTES). */
const MAX_FRAME_BYTES = 65_536;
const DEFAULT_TIMEOUT_MS = 30_000;
const RETRY_AFTER_MS = 1_000;
/** The same message may be accepted later. */
const retryable: ReadonlySet<ErrorCode> = new Set(['rate-limited', 'overloaded', 'dependency-unavailable', 'timeout']);

/** Sent without an acknowledgement at a time: half of what the server takes. They are stored in their order. */
const IN_FLIGHT = 8;

/** Messages that have no acknowledgement yet, in the order in which they were given. Each keeps its `clientMessageId` through all repetitions. */
export class PendingSends {
  private readonly pending = new Map<string, Pending>();
  private unsent: string[] = [];
  private readonly inFlight = new Set<string>();
  private count = 0;

  /** `wake`: there is something to send. */
  constructor(private readonly wake: () => void) {}

  add(conversationId: string, content: string, options: SendOptions = {}): Promise<Acknowledged> {
    const { clientMessageId = randomId(), timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    this.count += 1;
    const frame: SendFrame = { type: 'send', ref: String(this.count), conversationId, content, clientMessageId };
    if (this.pending.size >= MAX_PENDING) {
      return Promise.reject(new ParleyError('overloaded', `${MAX_PENDING} messages wait for their acknowledgement`));
    }
    if (new TextEncoder().encode(JSON.stringify(frame)).length > MAX_FRAME_BYTES) {
      return Promise.reject(new ParleyError('payload-too-large', `a frame has at most ${MAX_FRAME_BYTES} bytes; send it over REST`));
    }
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(
        () => {
          this.take(frame.ref)?.reject(
            new ParleyError('timeout', `no acknowledgement within ${timeoutMs} ms: it may be stored; the same clientMessageId finds out`),
          );
        },
        Math.min(timeoutMs, LONGEST_TIMER_MS),
      );
      this.pending.set(frame.ref, { frame, endsAt: performance.now() + timeoutMs, resolve, reject, deadline });
      this.unsent.push(frame.ref);
      this.wake();
    });
  }

  /** A new connection: everything that has no acknowledgement is sent again. */
  repeatAll(): void {
    for (const { retry } of this.pending.values()) clearTimeout(retry);
    this.unsent = [...this.pending.keys()];
    this.inFlight.clear();
  }

  next(): SendFrame | undefined {
    while (this.inFlight.size < IN_FLIGHT) {
      const ref = this.unsent.shift();
      if (ref === undefined) return undefined;
      const found = this.pending.get(ref);
      if (found === undefined) continue;
      this.inFlight.add(ref);
      return found.frame;
    }
    return undefined;
  }

  acknowledge({ ref, id, seq }: AckFrame): void {
    const found = this.take(ref);
    found?.resolve({ id, seq, clientMessageId: found.frame.clientMessageId });
  }

  /** Repeats what may be accepted later if there is time for it, and rejects the rest. */
  refuse(ref: string, { code, detail, retryAfterMs }: ErrorFrame): void {
    const found = this.pending.get(ref);
    if (found === undefined) return;
    const pauseMs = spread(retryAfterMs ?? RETRY_AFTER_MS);
    if (!retryable.has(code) || performance.now() + pauseMs >= found.endsAt) {
      this.take(ref)?.reject(new ParleyError(code, detail, undefined, { retryAfterMs }));
      return;
    }
    this.inFlight.delete(ref);
    found.retry = setTimeout(() => {
      this.unsent.push(ref);
      this.wake();
    }, pauseMs);
  }

  rejectAll(error: ParleyError): void {
    for (const ref of this.pending.keys()) this.take(ref)?.reject(error);
  }

  private take(ref: string): Pending | undefined {
    const found = this.pending.get(ref);
    if (found === undefined) return undefined;
    this.pending.delete(ref);
    clearTimeout(found.deadline);
    clearTimeout(found.retry);
    // Another one may go.
    if (this.inFlight.delete(ref)) queueMicrotask(this.wake);
    return found;
  }
}
