import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { metrics } from '#lib/runtime/metrics/metrics';
import { Arrivals } from './arrivals.js';
import { ArrivingBody } from './arriving-body.js';
import type { EdgeLimits } from './edge-limits.js';
import { FairShare } from '#lib/resilience/limit/fair-share';
import { isOfModestShape } from './json-shape.js';
import { tooLarge } from './request-head.js';
import { workOf } from './request-work.js';

/** When there is no memory for a body, some request is over within this time. */
const RETRY_AFTER_SECONDS = 1;

const EMPTY = Buffer.alloc(0);

type Done = (error: Error | null, value?: unknown) => void;

/**
 * Takes JSON bodies and nothing else: UTF-8 only, no `__proto__` or `constructor.prototype` keys, limited depth and number of values, and never
 * more bytes than the route takes. An empty body is no body (many clients send a content type with every request).
 * A route of large bodies gets the bytes as they are, for a thread that does the same with them (large-bodies/).
 * Bytes are counted when they arrive, for their caller and for all; requests whose body is still arriving are counted for their address.
 */
export const acceptJsonOnly = (instance: FastifyInstance, limits: EdgeLimits): void => {
  const parse = instance.getDefaultJsonParser('error', 'error') as (request: FastifyRequest, body: string, done: Done) => void;
  const arrivals = new Arrivals(limits);
  const held = new FairShare({ max: limits.bodyBytes, maxPerCaller: limits.bodyBytesPerCaller });
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('application/json', (request, _payload, done) => {
    receive(request, { arrivals, held }, (error, body) => {
      if (error !== undefined) return done(error);
      if (body.length === 0) return done(null, undefined);
      if (workOf(request).route.takesBytes) return done(null, body);
      // Decoding would quietly replace broken bytes, and the stored text would differ from the sent one.
      if (!isUtf8(body)) return done(invalid('The body is not UTF-8.'));
      if (!isOfModestShape(body)) return done(invalid('The body is nested too deeply or has too many values.'));
      parse(request, body.toString(), (cause, value) =>
        cause === null ? done(null, value) : done(invalid('The body is not valid JSON.', cause)),
      );
    });
  });
};

const invalid = (detail: string, cause?: unknown): ProblemError => new ProblemError('validation', detail, { cause });

const bodyMissing = (): ProblemError => invalid('The body did not arrive.');

/** Calls `done` once: with the whole body, or with why it is not taken; the rest of it is then thrown away by the server. */
const receive = (
  request: FastifyRequest,
  { arrivals, held }: { readonly arrivals: Arrivals; readonly held: FairShare },
  done: (error: Error | undefined, body: Buffer) => void,
): void => {
  const { raw } = request;
  const work = workOf(request);
  const { bodyLimit } = work.route;
  // A small body has arrived with its head and is parsed at once: there is nothing to count.
  if (raw.complete) {
    const whole = (raw.read() as Buffer | null) ?? EMPTY;
    return whole.length > bodyLimit ? done(tooLarge(bodyLimit), EMPTY) : done(undefined, whole);
  }
  // Gone while its head was looked at: no event of its stream will follow, and its place in flight would be kept for good.
  if (raw.destroyed) return done(bodyMissing(), EMPTY);
  const body = new ArrivingBody(bodyLimit);
  let isDone = false;
  const finish = (error?: Error) => {
    if (isDone) return;
    isDone = true;
    raw.off('data', onData).off('end', finish).off('error', finish).off('close', onClose);
    arrived();
    done(error, body.bytes);
  };
  const onData = (chunk: Buffer) => {
    if (body.bytes.length + chunk.length > bodyLimit) return finish(tooLarge(bodyLimit));
    const growth = body.growthFor(chunk.length);
    const refusal = growth === 0 ? undefined : held.take(work.callerKey, growth);
    if (refusal !== undefined) return finish(noRoom(refusal));
    if (growth > 0) work.whenOver(() => held.giveBack(work.callerKey, growth));
    body.add(chunk);
  };
  const onClose = () => finish(bodyMissing());
  const arrived = arrivals.begin(work.address, () => finish(madeWay()));
  raw.on('data', onData).on('end', finish).on('error', finish).on('close', onClose);
};

const madeWay = (): ProblemError => {
  metrics.rateLimited.inc({ scope: 'receiving' });
  const detail = 'Your address is sending too many bodies at once, and this one took the longest.';
  return new ProblemError('rate-limited', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
};

const noRoom = (refusal: 'caller' | 'all'): ProblemError => {
  const options = { retryAfterSeconds: RETRY_AFTER_SECONDS };
  if (refusal === 'caller') {
    metrics.rateLimited.inc({ scope: 'body_bytes' });
    return new ProblemError('rate-limited', 'You are sending too much at once.', options);
  }
  metrics.loadShed.inc({ reason: 'body_bytes' });
  return new ProblemError('overloaded', 'There is no memory for the body now.', options);
};
