import type { PushProvider } from '#lib/contracts/push';
import { httpDispatcher } from '#lib/resilience/adapters/http/http-dispatcher';
import { endpointOf, HttpFailure, requestJson } from '#lib/resilience/adapters/http/json-request';
import type { Breakers } from '#lib/resilience/call/breakers';
import { AttributedFailures, attributedTo } from '#lib/resilience/call/attribution';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { DependencyError } from '#lib/resilience/call/errors';

/** Calls in flight at once (docs/concepts/resilience.md, "Numbers"); as many batches may wait as a process handles. */
const BULKHEAD = { concurrent: 50, queued: 200 };
const CONNECT_MS = 2_000;
const CALL_MS = 5_000;
const RESET_MS = 30_000;
/** Answers are a few hundred bytes, errors a few thousand. */
const MAX_ANSWER_BYTES = 65_536;
/** Longest time for which a `Retry-After` is obeyed: a wrong one must not stop pushes for a day. */
const MAX_QUIET_MS = 600_000;

/** What is asked of a provider. */
export interface ProviderCall {
  /** The device that it is for: one that is over its own quota must not stop the pushes to others. */
  readonly device?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly form?: Readonly<Record<string, string>>;
}

/** An answer other than 2xx: its status, and its JSON, undefined when it is none. It may quote the push: never log it. */
export interface ProviderRefusal {
  readonly status: number;
  readonly answer: unknown;
}

/** One kind of call to the HTTP API of a provider: limits, breaker, and the quiet time that it asked for. */
export class PushApi {
  private readonly dispatcher: ReturnType<typeof httpDispatcher>;
  private readonly calls: DependencyCall;
  private readonly limited = new AttributedFailures();
  private quietUntil = 0;

  /** @param options.timeoutMs for tests. */
  constructor(
    private readonly options: {
      readonly provider: PushProvider;
      readonly operation: string;
      readonly url: string;
      readonly timeoutMs?: number | undefined;
    },
    breakers: Breakers,
  ) {
    const { provider, operation, timeoutMs = CALL_MS } = options;
    this.dispatcher = httpDispatcher({
      connectTimeoutMs: Math.min(CONNECT_MS, timeoutMs),
      connections: BULKHEAD.concurrent,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    });
    this.calls = new DependencyCall({ dependency: provider, operation, timeoutMs, resetMs: RESET_MS, bulkhead: BULKHEAD }, breakers);
  }

  /**
   * One call. `read` makes something of a good answer, `judge` of a refusal that tells about the push itself, which proves that the provider
   * works; undefined = the provider or our set-up failed. @throws DependencyError.
   */
  async ask<T>(call: ProviderCall, read: (answer: unknown) => T, judge: (refusal: ProviderRefusal) => T | undefined): Promise<T> {
    const quietMs = this.quietUntil - performance.now();
    if (quietMs > 0) throw new DependencyError(this.options.provider, this.options.operation, 'overloaded', { retryAfterMs: quietMs });
    const ask = async (signal: AbortSignal) => {
      try {
        return read(await this.request(call, signal));
      } catch (error) {
        if (!(error instanceof HttpFailure)) throw error;
        const judged = judge({ status: error.status, answer: jsonFrom(error.body) });
        if (judged !== undefined) return judged;
        throw this.failed(error, call.device);
      }
    };
    return attributedTo(call.device ?? this.options.operation, () => this.calls.run(ask));
  }

  /** Closes the connections. Calls in flight fail. */
  close(): void {
    void this.dispatcher.destroy();
  }

  /** 429 may be the quota of one device: it counts when several devices meet it. @returns the error to throw. */
  private failed(error: HttpFailure, device: string | undefined): Error {
    const { provider, operation } = this.options;
    const { retryAfterMs } = error;
    const isOfDevice = error.status === 429 && !this.limited.count(device);
    if (retryAfterMs !== undefined && !isOfDevice) this.quietUntil = performance.now() + Math.min(MAX_QUIET_MS, retryAfterMs);
    if (error.status !== 429) return error;
    return new DependencyError(provider, operation, 'unavailable', {
      cause: error,
      isAttributable: true,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }

  private request({ path, headers, body, form }: ProviderCall, signal: AbortSignal): Promise<unknown> {
    return requestJson(this.dispatcher, endpointOf(this.options.url, headers), {
      path,
      signal,
      ...(form === undefined ? { body } : { form }),
    });
  }
}

const jsonFrom = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
