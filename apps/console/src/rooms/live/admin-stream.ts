import type { AdminGoaway, AdminPicture, AdminSectionName } from '#lib/contracts/admin-live';
import { ApiError, type FailureCode, isAborted } from '../../shared/api.js';
import { storeOf } from '../../shared/store.js';
import { serverEvents } from './server-events.js';

// connecting ──first section──► live ──cut, ended or silent──► stale ──first section──► live
//     │                           │ goaway: the next stream opens at once, and the picture stays live
//     └──────── 401, 403 ─────────┴──► refused (for good)

/** How current the picture is. */
export type LiveStatus =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** `since`: when the last byte came, in milliseconds since 1970; 0 = none ever came. */
  | { readonly kind: 'stale'; readonly since: number; readonly reason: FailureCode | 'ended' | 'silent'; readonly retryAt: number }
  | { readonly kind: 'refused'; readonly code: FailureCode };

/** The newest of each section that has arrived, kept while the stream is cut. */
export interface Live {
  readonly status: LiveStatus;
  readonly picture: Partial<AdminPicture>;
}

/** Opens `GET /v1/admin/live`. @throws ApiError. */
type Open = (signal: AbortSignal) => Promise<Response>;

export interface StreamTimes {
  /** First wait before another try, in milliseconds; doubled each time. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** A comment comes every 15 s: after two of them nothing has come for this long. */
  readonly silentMs: number;
}

const TIMES: StreamTimes = { firstWaitMs: 500, longestWaitMs: 10_000, silentMs: 35_000 };

/** Reads the admin stream, and opens it again when it is cut: one for all that a room shows. */
export class AdminStream {
  readonly store = storeOf<Live>({ status: { kind: 'connecting' }, picture: {} });
  private lastByteAt = 0;
  private tries = 0;
  private wake: (() => void) | undefined;
  private current: AbortController | undefined;
  private arrived: Partial<AdminPicture> = {};
  private isFlushDue = false;
  private isCut = false;

  constructor(
    private readonly open: Open,
    private readonly times: StreamTimes = TIMES,
  ) {}

  /** Reads until it is told to stop, or until the server refuses the token. @returns what stops it; it may be started again. */
  start(): () => void {
    const stop = new AbortController();
    void this.run(stop.signal);
    return () => stop.abort();
  }

  private async run(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      const end = await this.readOnce(stopped);
      if (stopped.aborted) return;
      if (end.kind === 'refused') return this.say({ kind: 'refused', code: end.code });
      const waitMs = end.kind === 'goaway' ? end.retryInMs : this.nextWaitMs();
      if (end.kind === 'cut') {
        this.say({ kind: 'stale', since: this.lastByteAt, reason: end.reason, retryAt: Date.now() + waitMs });
      }
      await this.pause(waitMs, stopped);
    }
  }

  /** Tries again now: the network is back, or the operator says so. */
  retryNow(): void {
    this.wake?.();
  }

  /** The browser has lost its network: what is open is cut, though no packet says so. */
  cut(): void {
    this.current?.abort(new ApiError('network', 'the browser is offline'));
  }

  private async readOnce(stopped: AbortSignal): Promise<End> {
    const current = new AbortController();
    this.current = current;
    const signal = AbortSignal.any([stopped, current.signal]);
    let silence = setTimeout(() => current.abort(SILENT), this.times.silentMs);
    const heard = () => {
      this.lastByteAt = Date.now();
      clearTimeout(silence);
      silence = setTimeout(() => current.abort(SILENT), this.times.silentMs);
    };
    try {
      const { body } = await this.open(signal);
      if (body === null) return { kind: 'cut', reason: 'malformed' };
      for await (const { kind, name, data } of serverEvents(chunksOf(body, signal, heard))) {
        if (kind === 'comment') continue;
        if (name === 'goaway') {
          const { retryInMs } = JSON.parse(data) as AdminGoaway;
          this.tries = 0;
          return { kind: 'goaway', retryInMs };
        }
        this.take(name as AdminSectionName, data);
      }
      return { kind: 'cut', reason: 'ended' };
    } catch (error) {
      if (signal.reason === SILENT) return { kind: 'cut', reason: 'silent' };
      if (error instanceof ApiError && (error.code === 'forbidden' || error.code === 'unauthenticated')) {
        return { kind: 'refused', code: error.code };
      }
      if (error instanceof ApiError) return { kind: 'cut', reason: error.code };
      return { kind: 'cut', reason: isAborted(error) ? 'network' : error instanceof SyntaxError ? 'malformed' : 'network' };
    } finally {
      clearTimeout(silence);
      current.abort(); // nothing is read from it any more
    }
  }

  /** The sections of one chunk become one rendering. */
  private take(name: AdminSectionName, data: string): void {
    this.arrived = { ...this.arrived, [name]: JSON.parse(data) as AdminPicture[AdminSectionName] };
    this.tries = 0;
    this.isCut = false;
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    setTimeout(() => {
      this.isFlushDue = false;
      const { picture, status } = this.store.get();
      this.store.set({ status: this.isCut ? status : { kind: 'live' }, picture: { ...picture, ...this.arrived } });
      this.arrived = {};
    }, 0);
  }

  private say(status: LiveStatus): void {
    this.isCut = true;
    this.store.set({ status, picture: { ...this.store.get().picture, ...this.arrived } });
    this.arrived = {};
  }

  /** Doubled each time, with up to a third more or less, so that the readers of a gateway do not come back together. */
  private nextWaitMs(): number {
    const waitMs = Math.min(this.times.longestWaitMs, this.times.firstWaitMs * 2 ** this.tries);
    this.tries += 1;
    return Math.round(waitMs * (2 / 3 + (Math.random() * 2) / 3));
  }

  private async pause(ms: number, stopped: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        stopped.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.wake = wake;
      stopped.addEventListener('abort', wake);
    });
    this.wake = undefined;
  }
}

type End =
  | { readonly kind: 'cut'; readonly reason: FailureCode | 'ended' | 'silent' }
  | { readonly kind: 'goaway'; readonly retryInMs: number }
  | { readonly kind: 'refused'; readonly code: FailureCode };

const SILENT = new DOMException('nothing came', 'TimeoutError');

/** Not every browser lets a stream be iterated. */
async function* chunksOf(body: ReadableStream<Uint8Array>, signal: AbortSignal, heard: () => void): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) throw signal.reason;
      if (done) return;
      heard();
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}
