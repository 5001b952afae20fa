import { Agent, buildConnector, type Dispatcher } from 'undici';

/** What calls to one endpoint may cost. */
export interface HttpLimits {
  /** Limit for TCP and TLS to stand, in milliseconds: a host that swallows packets is noticed after this, not after the call's limit. */
  readonly connectTimeoutMs: number;
  /** Connections in all; further calls wait for one. */
  readonly connections: number;
  /** Longest answer that is read, as it comes over the wire. */
  readonly maxAnswerBytes: number;
}

type Interceptor = Dispatcher.DispatcherComposeInterceptor;
type Handler = Dispatcher.DispatchHandler;

/** Idle connections are kept this long unless the server asks for less; servers and proxies usually close theirs after 60 s or more. */
const KEEP_ALIVE_MS = 50_000;

/**
 * undici's connection pool with these limits. A request that went out on a kept-alive connection which turns out dead is sent again, so that a
 * restarted server is not seen as a failing one: for idempotent calls only. `destroy()` ends it, and the calls in flight fail.
 */
export function httpDispatcher({ connectTimeoutMs, connections, maxAnswerBytes }: HttpLimits): Dispatcher {
  const connect = buildConnector({ timeout: connectTimeoutMs });
  const stale = new WeakSet<Error>();
  const agent = new Agent({
    connections,
    maxResponseSize: maxAnswerBytes,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: (options, callback) =>
      connect(options, (...outcome) => {
        const [, socket] = outcome;
        const readBefore = socket?.bytesRead ?? 0; // a TLS handshake may count
        socket?.once('error', (error) => {
          if (socket.bytesRead > readBefore) stale.add(error);
        });
        callback(...outcome);
      }),
  });
  return agent.compose(
    sendAgainWhen((error) => stale.has(error)),
    withWholeBody,
  );
}

/** A handler that passes everything on to `handler`, except for what `own` does itself. */
export const passingOn = (handler: Handler, own: Handler): Handler => ({
  onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
  onRequestUpgrade: (controller, status, headers, socket) => handler.onRequestUpgrade?.(controller, status, headers, socket),
  onResponseStart: (controller, status, headers, text) => handler.onResponseStart?.(controller, status, headers, text),
  onResponseData: (controller, part) => handler.onResponseData?.(controller, part),
  onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
  onResponseError: (controller, error) => handler.onResponseError?.(controller, error),
  ...own,
});

/** Ends after as many tries as there are stale connections: a fresh one that fails is the server's failure. */
const sendAgainWhen =
  (isStale: (error: Error) => boolean): Interceptor =>
  (dispatch) => {
    const send = (options: Dispatcher.DispatchOptions, handler: Handler): boolean => {
      let isAnswered = false;
      return dispatch(
        options,
        passingOn(handler, {
          onResponseStart: (controller, status, headers, text) => {
            isAnswered = true;
            handler.onResponseStart?.(controller, status, headers, text);
          },
          onResponseError: (controller, error) => {
            // Later: undici is still taking the connection down.
            if (!isAnswered && isStale(error)) setImmediate(send, options, handler);
            else handler.onResponseError?.(controller, error);
          },
        }),
      );
    };
    return send;
  };

/** `fetch` gives its body as a stream that can be read once: it is collected, so that it can be sent again. */
const withWholeBody: Interceptor = (dispatch) => (options, handler) => {
  const { body } = options;
  if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) return dispatch(options, handler);
  collected(body as AsyncIterable<Uint8Array>)
    .then((whole) => dispatch({ ...options, body: whole }, handler))
    .catch(() => undefined); // `fetch` itself fails when its body does
  return true;
};

async function collected(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}
