import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';

/** No body of this API is nested deeper than 7 (metadata has 5 levels of its own); a parser that recurses must not meet a million. */
const MAX_DEPTH = 32;
/** No body of this API has more values than 1,000 members and a handful of fields; validating a million wrong ones would take seconds. */
const MAX_VALUES = 20_000;

/**
 * Takes JSON bodies and nothing else: UTF-8 only, no `__proto__` or `constructor.prototype` keys, limited depth and number of values.
 * An empty body is no body (many clients send a content type with every request).
 */
export const acceptJsonOnly = (instance: FastifyInstance): void => {
  const parse = instance.getDefaultJsonParser('error', 'error') as (
    request: FastifyRequest,
    body: string,
    done: (error: Error | null, value?: unknown) => void,
  ) => void;
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    // Decoding would quietly replace broken bytes, and we would store what nobody wrote.
    if (!isUtf8(body as Buffer)) return done(invalid('The body is not UTF-8.'));
    parse(request, body.toString(), (error, value) => {
      if (error !== null) return done(invalid('The body is not valid JSON.', error));
      if (!isWithinLimits(value)) return done(invalid('The body is nested too deeply or has too many values.'));
      return done(null, value);
    });
  });
};

const invalid = (detail: string, cause?: unknown): ProblemError => new ProblemError('validation', detail, { cause });

const isWithinLimits = (root: unknown): boolean => {
  let level: unknown[] = [root];
  let count = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    count += level.length;
    if (depth > MAX_DEPTH || count > MAX_VALUES) return false;
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue;
      const inner = Array.isArray(value) ? value : Object.values(value);
      if (count + next.length + inner.length > MAX_VALUES) return false;
      next.push(...inner);
    }
    level = next;
  }
  return true;
};
