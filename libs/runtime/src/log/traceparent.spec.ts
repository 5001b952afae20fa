import { afterEach, describe, expect, it } from 'vitest';
import {
  childOfCaller,
  childTraceparent,
  formatTraceparent,
  parseTraceparent,
  SAMPLED_BY_CALLERS_PER_SECOND,
  sampleNewTraces,
  traceIdOf,
} from './traceparent.js';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';
const header = `00-${trace}-${span}-01`;

describe('reading a traceparent', () => {
  it('takes what the specification shows', () => {
    expect(parseTraceparent(header)).toEqual({ traceId: trace, spanId: span, flags: '01' });
  });

  it('takes a later version with more fields', () => {
    expect(parseTraceparent(`cc-${trace}-${span}-01-what-the-future-holds`)).toMatchObject({ traceId: trace });
  });

  it.each([
    undefined,
    '',
    42,
    [header],
    `ff-${trace}-${span}-01`,
    `00-${trace}-${span}-01-more`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.slice(1)}-${span}-01`,
    `00-${trace}-${span}`,
    ` ${header}`,
    `01-${trace}-${span}-01-${'x'.repeat(1_000)}`,
  ])('does not take %j', (invalid) => {
    expect(parseTraceparent(invalid)).toBeUndefined();
  });

  it('gives back what it read', () => {
    const parsed = parseTraceparent(header);

    expect(parsed === undefined ? undefined : formatTraceparent(parsed)).toBe(header);
  });
});

describe('a new unit of work', () => {
  it('is a new span of the same trace, as sampled as its parent', () => {
    const child = parseTraceparent(childTraceparent(`00-${trace}-${span}-00`));

    expect(child).toMatchObject({ traceId: trace, flags: '00' });
    expect(child?.spanId).not.toBe(span);
  });

  it('begins a trace when it has no valid parent', () => {
    const [one, other] = [childTraceparent(undefined), childTraceparent('garbage')];

    expect(traceIdOf(one)).toMatch(/^[0-9a-f]{32}$/);
    expect(traceIdOf(one)).not.toBe(traceIdOf(other));
  });
});

describe('a unit of work for a caller', () => {
  afterEach(() => sampleNewTraces(() => true));
  const flagged = `00-${trace}-${span}-01`;
  const flagsOf = (made: string) => parseTraceparent(made)?.flags;

  it('is sampled by its flag for some a second, then as the process says, and stays in its trace', () => {
    sampleNewTraces(() => false);
    const made = Array.from({ length: SAMPLED_BY_CALLERS_PER_SECOND + 1 }, () => childOfCaller(flagged, 10_000));

    expect(made.map(flagsOf)).toEqual([...Array.from({ length: SAMPLED_BY_CALLERS_PER_SECOND }, () => '01'), '00']);
    expect(new Set(made.map(traceIdOf))).toEqual(new Set([trace]));
    expect(flagsOf(childOfCaller(flagged, 11_000))).toBe('01');
    expect(flagsOf(childOfCaller(`00-${trace}-${span}-00`, 11_000))).toBe('00');
    sampleNewTraces(() => true);
    expect(flagsOf(childOfCaller(flagged, 11_000))).toBe('01');
  });
});
