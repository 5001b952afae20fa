import { afterEach, beforeEach, expect, it } from 'vitest';
import { runInContext } from '#lib/runtime/log/context';
import { type EndedSpan, exportSpansTo } from '#lib/runtime/trace/span';
import { createBreakers } from '../adapters/opossum-breaker.js';
import { DependencyCall } from './dependency-call.js';

const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
let spans: EndedSpan[];
beforeEach(() => {
  spans = [];
  exportSpansTo((span) => spans.push(span));
});
afterEach(() => exportSpansTo(undefined));

const inTrace = <T>(work: () => Promise<T>): Promise<T> => runInContext({ traceparent: parent }, work);

it('a call has one span with all its tries, in the words of the conventions', async () => {
  const call = new DependencyCall(
    { dependency: 'postgres', operation: 'reads', timeoutMs: 1_000, attempts: 2, backoff: { baseMs: 1, capMs: 1 } },
    createBreakers(),
  );
  let tries = 0;
  const answer = await inTrace(() =>
    call.run(() => {
      tries += 1;
      return tries === 1 ? Promise.reject(new Error('secret words')) : Promise.resolve('answer');
    }, 'find-message'),
  );

  expect(answer).toBe('answer');
  expect(spans).toMatchObject([
    {
      name: 'postgres find-message',
      kind: 'client',
      parent,
      failure: undefined,
      attributes: { 'db.system.name': 'postgresql', 'db.operation.name': 'find-message', 'app.lane': 'reads', 'app.attempts': 2 },
    },
  ]);
});

it('a span fails when the dependency did, with a code; what was answered is no failure, and outside of a trace there is none', async () => {
  const call = new DependencyCall(
    { dependency: 'chroma', operation: 'query', timeoutMs: 1_000, isItsFault: (error) => !(error instanceof RangeError) },
    createBreakers(),
  );
  await expect(inTrace(() => call.run(() => Promise.reject(new RangeError('secret words'))))).rejects.toThrow(RangeError);
  await expect(inTrace(() => call.run(() => Promise.reject(new Error('secret words'))))).rejects.toThrow('unavailable');
  await call.run(() => Promise.resolve());

  expect(spans.map(({ name, failure }) => [name, failure])).toEqual([
    ['chroma query', undefined],
    ['chroma query', 'unavailable'],
  ]);
  expect(JSON.stringify(spans)).not.toContain('secret');
});
