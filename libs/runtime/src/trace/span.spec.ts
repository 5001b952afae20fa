import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { currentContext, runInContext } from '../log/context.js';
import { isSampled, parseTraceparent, sampleNewTraces, childTraceparent } from '../log/traceparent.js';
import {
  currentSpan,
  type EndedSpan,
  exportSpansTo,
  inSpan,
  recordSpan,
  SLOW_MS,
  startSharedSpan,
  startSpan,
  UNSAMPLED_PER_SECOND,
} from './span.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const sampled = `00-${TRACE}-00f067aa0ba902b7-01`;
const unsampled = `00-${TRACE}-00f067aa0ba902b7-00`;

let exported: EndedSpan[];
beforeEach(() => {
  exported = [];
  exportSpansTo((span) => exported.push(span));
});
afterEach(() => {
  exportSpansTo(undefined);
  sampleNewTraces(() => true);
  vi.useRealTimers();
});

describe('a span', () => {
  it('is not made while tracing is off, nor for work that is in no trace', () => {
    expect(startSpan('sweep', 'internal')).toBeUndefined();
    exportSpansTo(undefined);
    expect(runInContext({ traceparent: sampled }, () => startSpan('work', 'internal'))).toBeUndefined();
    expect(startSharedSpan('batch', 'internal', [sampled])).toBeUndefined();
  });

  it('is a child of the running unit of work, and the parent of what runs in it', async () => {
    await runInContext({ requestId: 'r', traceparent: sampled }, () =>
      inSpan('outer', 'internal', async (outer) => {
        expect(currentContext()).toMatchObject({ requestId: 'r', traceparent: outer?.traceparent });
        expect(currentSpan()).toBe(outer);
        await inSpan('inner', 'client', () => Promise.resolve());
      }),
    );

    const [inner, outer] = exported;
    expect(outer).toMatchObject({ name: 'outer', kind: 'internal', parent: sampled });
    expect(inner).toMatchObject({ name: 'inner', kind: 'client', parent: outer?.traceparent });
    expect(parseTraceparent(inner?.traceparent)?.traceId).toBe(TRACE);
    expect(exported).toHaveLength(2);
  });

  it('ends once, fails with the code of its error and not with its words, and rejects as its work does', async () => {
    const error = Object.assign(new Error('Key (content)=(secret words) exists'), { code: '23505' });
    await expect(runInContext({ traceparent: sampled }, () => inSpan('work', 'client', () => Promise.reject(error)))).rejects.toBe(error);

    expect(exported).toMatchObject([{ failure: '23505' }]);
    expect(JSON.stringify(exported)).not.toContain('secret');
  });

  it('holds a bounded number of attributes and links, and short texts', () => {
    const span = startSpan('work', 'internal', sampled);
    for (let i = 0; i < 200; i += 1) span?.set(`app.${i}`, 'x'.repeat(1_000)).link(sampled);
    span?.set('app.nothing', undefined).end();

    expect(Object.keys(exported[0]?.attributes ?? {})).toHaveLength(64);
    expect(exported[0]?.links).toHaveLength(128);
    expect(exported[0]?.attributes['app.0']).toHaveLength(256);
  });
});

describe('a trace that is not sampled', () => {
  const unsampledSpan = () => startSpan('work', 'internal', unsampled);

  it('costs its spans when all goes well and fast', () => {
    unsampledSpan()?.end();
    expect(exported).toEqual([]);
  });

  it('shows what failed, what was slow, and what is kept in any case', () => {
    vi.useFakeTimers();
    unsampledSpan()?.fail(new Error('no')).end();
    unsampledSpan()?.keep().end();
    const slow = unsampledSpan();
    vi.advanceTimersByTime(SLOW_MS);
    slow?.end();
    recordSpan({
      name: 'request',
      kind: 'server',
      traceparent: unsampled,
      parent: undefined,
      startedAt: 0,
      attributes: {},
      failure: 'internal',
    });

    expect(exported.map(({ failure }) => failure)).toEqual(['failed', undefined, undefined, 'internal']);
  });

  it('shows so many failures a second and no more: an outage makes each span one', () => {
    vi.useFakeTimers();
    vi.advanceTimersByTime(10_000);
    for (let i = 0; i < 3 * UNSAMPLED_PER_SECOND; i += 1) unsampledSpan()?.fail('timeout').end();
    expect(exported).toHaveLength(UNSAMPLED_PER_SECOND);
    startSpan('work', 'internal', sampled)?.end();
    expect(exported).toHaveLength(UNSAMPLED_PER_SECOND + 1);
    vi.advanceTimersByTime(1_000);
    unsampledSpan()?.fail('timeout').end();
    expect(exported).toHaveLength(UNSAMPLED_PER_SECOND + 2);
  });
});

describe('work for several traces', () => {
  it('has a trace of its own that is linked to them, sampled when one of them is', () => {
    const others = Array.from({ length: 200 }, () => childTraceparent(undefined, false));
    startSharedSpan('batch', 'consumer', [...others, sampled, undefined])?.end();

    const [batch] = exported;
    expect(batch?.parent).toBeUndefined();
    expect(parseTraceparent(batch?.traceparent)?.traceId).not.toBe(TRACE);
    expect(batch?.links).toHaveLength(128);
    expect(batch?.links[0]).toBe(sampled);
    startSharedSpan('batch', 'consumer', others)?.end();
    expect(exported).toHaveLength(1);
  });

  it('is below its cause when there is one only', () => {
    startSharedSpan('batch', 'consumer', [undefined, sampled])?.end();
    expect(exported).toMatchObject([{ parent: sampled, links: [] }]);
  });
});

describe('a new trace', () => {
  it('is sampled as the process says; one that comes from elsewhere as that says', () => {
    sampleNewTraces(() => false);
    expect([childTraceparent(undefined), childTraceparent(unsampled), childTraceparent(sampled)].map(isSampled)).toEqual([
      false,
      false,
      true,
    ]);
    expect(['0', '1', '2', 'a', 'b'].map((digit) => isSampled(`00-${TRACE}-00f067aa0ba902b7-0${digit}`))).toEqual([
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});
