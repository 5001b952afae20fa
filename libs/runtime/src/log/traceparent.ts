import { randomFillSync } from 'node:crypto';

/** W3C trace context (https://www.w3.org/TR/trace-context/): which trace, which span of it, and its flags (01 = sampled). */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero: the span that is the parent of whatever comes next. */
  readonly spanId: string;
  /** Two hex digits. */
  readonly flags: string;
}

// A later version may append fields after the flags; version ff is forbidden, and version 00 has exactly these four.
const PATTERN = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROES = /^0+$/;

/** The trace context of a `traceparent` header; undefined when there is none or it is not valid (then a new trace begins). */
export const parseTraceparent = (header: unknown): TraceContext | undefined => {
  if (typeof header !== 'string' || header.length > 512) return undefined;
  const [, version, traceId, spanId, flags, rest] = PATTERN.exec(header) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (ZEROES.test(traceId) || ZEROES.test(spanId)) return undefined;
  return { traceId, spanId, flags };
};

/** The header of a trace context, version 00. */
export const formatTraceparent = ({ traceId, spanId, flags }: TraceContext): string => `00-${traceId}-${spanId}-${flags}`;

/** Whether new traces are sampled: all of them, unless a process that exports spans says otherwise. */
let isNewSampled = (_traceId: string): boolean => true;

/** Decides about the traces that begin in this process. */
export const sampleNewTraces = (isSampledOf: (traceId: string) => boolean): void => {
  isNewSampled = isSampledOf;
};

/**
 * The `traceparent` of a new unit of work: a new span in the trace of `parent`, as sampled as that, or in a new trace when it is missing or
 * invalid. @param sampled decides about a new trace in place of the process.
 */
export const childTraceparent = (parent: unknown, sampled?: boolean): string => {
  const known = parseTraceparent(parent);
  if (known !== undefined) return formatTraceparent({ ...known, spanId: randomHex(8) });
  const traceId = randomHex(16);
  return formatTraceparent({ traceId, spanId: randomHex(8), flags: (sampled ?? isNewSampled(traceId)) ? '01' : '00' });
};

/**
 * Traces per second and process that callers may have exported by their own flag: with five spans each in the busiest process, a quarter of the
 * queue of spans.
 */
export const SAMPLED_BY_CALLERS_PER_SECOND = 100;
let secondBeganAt = Number.NEGATIVE_INFINITY;
let sampledByCallers = 0;

/**
 * {@link childTraceparent} for what comes from a caller, with or without a token: its flag counts for a few traces a second. Beyond these the
 * process decides by the trace id, so that callers who flag every request do not crowd out the spans of others.
 */
export const childOfCaller = (parent: unknown, now = performance.now()): string => {
  const known = parseTraceparent(parent);
  if (known === undefined || !isSampled(known.flags)) return childTraceparent(parent);
  if (now - secondBeganAt >= 1_000) {
    secondBeganAt = now;
    sampledByCallers = 0;
  }
  sampledByCallers += 1;
  const flags = sampledByCallers <= SAMPLED_BY_CALLERS_PER_SECOND || isNewSampled(known.traceId) ? '01' : '00';
  return formatTraceparent({ traceId: known.traceId, spanId: randomHex(8), flags });
};

/**
 * {@link childTraceparent} below a `traceparent` that this program made or has parsed, without parsing it again: that was more than half of what
 * a span costs.
 */
export const childOfOwn = (parent: string): string => `${parent.slice(0, 36)}${randomHex(8)}${parent.slice(52)}`;

/** The lowest bit of the flags, of flags alone or of a `traceparent` that this program made or has parsed. */
export const isSampled = (traceparent: string): boolean => (Number.parseInt(traceparent.slice(-1), 16) & 1) === 1;

// Filled again when it is used up: to ask the kernel for each id was 4 % of a busy gateway.
const pool = Buffer.alloc(4_096);
let used = pool.length;

const randomHex = (bytes: number): string => {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
};

/** The trace id of a `traceparent`, for log lines and dead letters; undefined when it is not valid. */
export const traceIdOf = (header: unknown): string | undefined => parseTraceparent(header)?.traceId;
