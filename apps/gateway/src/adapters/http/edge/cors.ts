import type { FastifyReply, FastifyRequest } from 'fastify';
import type { KnownPaths } from './known-paths.js';

/** Any origin; harmless without cookies, because a token has to be known to be sent. */
const ANY = '*';
const REQUEST_HEADERS = 'authorization, content-type, idempotency-key, if-match, x-request-id, traceparent, mcp-protocol-version';
const RESPONSE_HEADERS =
  'etag, idempotency-replayed, location, ratelimit, ratelimit-policy, retry-after, server-timing, www-authenticate, x-request-id';
/** Browsers keep the answer to a preflight request for this long, in seconds; Chromium for at most two hours. */
const MAX_AGE_SECONDS = 7_200;

/**
 * Lets pages of other origins call the API (CORS_ORIGINS), each by its exact origin. Never with credentials: a token travels in `Authorization`,
 * and there are no cookies. Own code instead of @fastify/cors, which adds a route for every path, while 404 and 405 are answered here from the
 * same table of paths that a preflight request asks about.
 */
export class Cors {
  private readonly origins: ReadonlySet<string>;

  constructor(
    origins: readonly string[],
    private readonly paths: KnownPaths,
  ) {
    this.origins = new Set(origins);
  }

  /** Says in the headers of an answer who may read it. @returns whether this was a preflight request, which is answered now. */
  apply(request: FastifyRequest, reply: FastifyReply): boolean {
    if (this.origins.size === 0) return false;
    const { origin } = request.headers;
    // A cache must not hand the answer for one origin to another.
    if (!this.origins.has(ANY)) reply.header('vary', 'origin');
    if (origin === undefined || !(this.origins.has(origin) || this.origins.has(ANY))) return false;
    reply
      .header('access-control-allow-origin', this.origins.has(ANY) ? ANY : origin)
      .header('access-control-expose-headers', RESPONSE_HEADERS);
    return this.answerPreflight(request, reply);
  }

  private answerPreflight(request: FastifyRequest, reply: FastifyReply): boolean {
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
    const methods = this.paths.methodsOf(request.url.split('?', 1)[0] ?? '');
    if (methods.length === 0) return false;
    void reply
      .code(204)
      .header('access-control-allow-methods', methods.join(', '))
      .header('access-control-allow-headers', REQUEST_HEADERS)
      .header('access-control-max-age', MAX_AGE_SECONDS)
      .send();
    return true;
  }
}
