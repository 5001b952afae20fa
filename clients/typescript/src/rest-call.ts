import type { ErrorCode } from './frames.js';
import { ParleyError } from './parley-error.js';
import type { TokenSource } from './reconnecting-connection.js';
import type { Problem } from './rest-types.js';
import { LONGEST_TIMER_MS, spread } from './timers.js';

export interface RestOptions {
  /** Of a gateway: `http://localhost:8080`, or `https:`. */
  readonly url: string;
  /** A JWT, or a function that gets one: asked for each call, and once more when the server says that the token is not valid. */
  readonly token: TokenSource;
  /** Time for a whole call, repetitions included; default 35,000 ms, a little more than the longest route takes. */
  readonly timeoutMs?: number;
  /** How often a call is repeated that was not answered or that may succeed later; default 2. */
  readonly repeats?: number;
  /** By default that of the platform. */
  readonly fetch?: typeof fetch;
}

export interface CallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined;
  /** In place of that of the client. */
  readonly timeoutMs?: number | undefined;
}

/** One call as it goes out. */
export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: object | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Carried out twice it is not what it was once: it is repeated only when the first one was certainly not carried out. */
  readonly isOnce?: boolean;
}

const DEFAULT_TIMEOUT_MS = 35_000;
const DEFAULT_REPEATS = 2;
/** Pause before the first repetition, doubled for each further one, of which a random part is waited. */
const PAUSE_MS = 300;
/** Refused before anything was done. */
const untouched: ReadonlySet<string> = new Set<ErrorCode>(['rate-limited', 'overloaded']);

/** Calls with a deadline, a token, and repetitions. */
export class RestCaller {
  private readonly base: string;
  private readonly fetch: typeof fetch;

  /** @throws TypeError for a `url` that is none of HTTP. */
  constructor(private readonly options: RestOptions) {
    const { protocol, href } = new URL(options.url);
    if (!/^https?:$/.test(protocol)) throw new TypeError(`${options.url} is not the URL of a gateway`);
    this.base = href.replace(/\/+$/, '');
    // A browser's fetch has to be called as a function of the window.
    this.fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** The body of the answer. @throws ParleyError, or what `signal` was aborted with. */
  async call<Answer>(
    request: RestRequest,
    { signal, timeoutMs = this.options.timeoutMs ?? DEFAULT_TIMEOUT_MS }: CallOptions = {},
  ): Promise<Answer> {
    signal?.throwIfAborted();
    const endsAt = performance.now() + timeoutMs;
    const deadline = new AbortController();
    const expire = () => deadline.abort(new ParleyError('timeout', `no answer within ${timeoutMs} ms`));
    const timer = setTimeout(expire, Math.min(timeoutMs, LONGEST_TIMER_MS));
    const giveUp = () => deadline.abort(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      for (let repeat = 0, triedNewToken = false; ; ) {
        const answer = await this.once<Answer>(request, deadline.signal);
        if ('body' in answer) return answer.body;
        const { error } = answer;
        if (error.code === 'unauthenticated' && typeof this.options.token !== 'string' && !triedNewToken) {
          triedNewToken = true;
          continue;
        }
        const pauseMs = error.retryAfterMs === undefined ? PAUSE_MS * 2 ** repeat * Math.random() : spread(error.retryAfterMs);
        const mayRepeat = repeat < (this.options.repeats ?? DEFAULT_REPEATS) && isPassing(error, request.isOnce === true);
        if (!mayRepeat || performance.now() + pauseMs > endsAt) throw error;
        repeat += 1;
        await pause(pauseMs, deadline.signal);
      }
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    }
  }

  private async once<Answer>(
    { method, path, query = {}, body, headers = {} }: RestRequest,
    signal: AbortSignal,
  ): Promise<{ readonly body: Answer } | { readonly error: ParleyError }> {
    const { token } = this.options;
    const url = new URL(`${this.base}${path}`);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    try {
      const bearer = typeof token === 'string' ? token : await settled(token(), signal);
      const response = await this.fetch(url, {
        method,
        signal,
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
        } as Record<string, string>,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.ok) return { body: (text === '' ? undefined : JSON.parse(text)) as Answer };
      return { error: refusal(response, text) };
    } catch (error) {
      // The deadline or the caller's signal, as it was given.
      if (signal.aborted) throw signal.reason;
      return { error: new ParleyError('unreachable', error instanceof Error ? error.message : String(error), undefined, { cause: error }) };
    }
  }
}

const isPassing = ({ code, problem }: ParleyError, isOnce: boolean): boolean =>
  untouched.has(code) || (!isOnce && (code === 'unreachable' || problem?.retryable === true));

/** What is not a problem of Parley came from something in between. */
function refusal({ status, headers }: Response, text: string): ParleyError {
  // Something in between may give a date, which is taken as nothing.
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const facts = { retryAfterMs: seconds >= 0 ? seconds * 1_000 : undefined };
  try {
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.code === 'string' && typeof problem.detail === 'string')
      return new ParleyError(problem.code, problem.detail, problem, facts);
  } catch {
    // Said below.
  }
  return new ParleyError('unreachable', `something between here and Parley answered ${status}`, undefined, facts);
}

const settled = <T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    // Listened to in any case: Node ends at a rejection that nothing hears.
    Promise.resolve(work)
      .finally(() => signal.removeEventListener('abort', stop))
      .then(resolve, reject);
    if (signal.aborted) stop();
  });

const pause = (ms: number, signal: AbortSignal): Promise<void> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  return settled(over, signal).finally(() => clearTimeout(timer));
};
