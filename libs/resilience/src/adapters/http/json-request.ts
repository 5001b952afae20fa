import { type Dispatcher, request } from 'undici';

/** The endpoint answered with something other than 2xx. The message holds no header and no text of either side. */
export class HttpFailure extends Error {
  // Private, so that no logger prints it: answers may quote the request, and the request is message text.
  readonly #body: string;

  constructor(
    call: string,
    readonly status: number,
    /** What `Retry-After` asked for, in milliseconds. */
    readonly retryAfterMs: number | undefined,
    body: string,
  ) {
    super(`${call} answered ${status}`);
    this.name = 'HttpFailure';
    this.#body = body;
  }

  /** The answer as text, for adapters that look for something in it. Never log it. */
  get body(): string {
    return this.#body;
  }
}

/** The endpoint answered with something that cannot be what was asked for: not JSON, another shape. */
export class UnusableAnswer extends Error {
  constructor(call: string, reason: string) {
    super(`${call}: ${reason}`);
    this.name = 'UnusableAnswer';
  }
}

/** Where an endpoint is, and what lets a client in. */
export interface Endpoint {
  /** Everything before the path of a call, without a slash at the end. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Takes user and password out of a URL: they become an `Authorization` header, which one in `headers` replaces. */
export function endpointOf(baseUrl: string, headers: Readonly<Record<string, string>> = {}): Endpoint {
  const { origin, pathname, username, password } = new URL(baseUrl);
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const credentials: Record<string, string> = pair === ':' ? {} : { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
  return { url: origin + pathname.replace(/\/$/, ''), headers: { accept: 'application/json', ...credentials, ...headers } };
}

/** What is asked, and until when. */
export interface JsonCall {
  /** After the URL of the endpoint. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as a form, in place of a body. */
  readonly form?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * One JSON call over `dispatcher`: `POST` with a body or a form, else `GET`. Follows no redirect, which would carry the key elsewhere.
 * @throws HttpFailure, UnusableAnswer, the error of undici (its code says which), or the reason of `signal`.
 */
export async function requestJson(dispatcher: Dispatcher, endpoint: Endpoint, call: JsonCall): Promise<unknown> {
  const text = await requestText(dispatcher, endpoint, call);
  try {
    return JSON.parse(text);
  } catch {
    throw new UnusableAnswer(nameOf(call), `${text.length} characters that are not JSON`);
  }
}

/** The same for an answer that is any text. @throws HttpFailure, the error of undici, or the reason of `signal`. */
export async function requestText(dispatcher: Dispatcher, { url, headers }: Endpoint, call: JsonCall): Promise<string> {
  const { path, body, form, signal } = call;
  const sent =
    form === undefined ? jsonOf(body) : { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(form).toString() };
  const answer = await request(url + path, {
    dispatcher,
    method: methodOf(call),
    headers: sent === undefined ? headers : { ...headers, 'content-type': sent.type },
    ...(sent === undefined ? {} : { body: sent.text }),
    signal,
  });
  const text = await answer.body.text();
  const { statusCode } = answer;
  if (statusCode < 200 || statusCode > 299) {
    throw new HttpFailure(nameOf(call), statusCode, retryAfterMs(answer.headers['retry-after']), text);
  }
  return text;
}

const methodOf = ({ body, form }: JsonCall): 'GET' | 'POST' => (body === undefined && form === undefined ? 'GET' : 'POST');
const nameOf = (call: JsonCall): string => `${methodOf(call)} ${call.path}`;

const jsonOf = (body: unknown) => (body === undefined ? undefined : { type: 'application/json', text: JSON.stringify(body) });

/** What `Retry-After` asks for, in milliseconds: seconds or a date, as RFC 9110 has it. */
export function retryAfterMs(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
