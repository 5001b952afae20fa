import { describe, expect, it } from 'vitest';
import { bisectBatch, type Verdict } from './bisect-batch.js';
import { Postpone, SomeFailed } from '../../outcome.js';

const items = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const noOutage = { isOutage: () => false, idOf: String, budgetMs: 10_000 };
const of = (verdicts: readonly Verdict<number>[], kind: Verdict<number>['kind']): number[] =>
  verdicts.filter((verdict) => verdict.kind === kind).map(({ item }) => item);

/** A handler that fails for some items, and what it was called with. */
const failingFor = (...bad: number[]) => {
  const runs: number[][] = [];
  const handled: number[] = [];
  const run = async (part: readonly number[]) => {
    runs.push([...part]);
    if (part.some((item) => bad.includes(item))) throw new Error('bad item');
    handled.push(...part);
  };
  return { run, runs, handled };
};

describe('bisectBatch', () => {
  it('a good batch runs once', async () => {
    const { run, runs } = failingFor();
    expect(of(await bisectBatch(items(50), run, noOutage), 'passed')).toEqual(items(50));
    expect(runs).toHaveLength(1);
  });

  it.each([[0], [1], [24], [49]])('bad item %i among fifty fails alone, in few runs', async (bad) => {
    const { run, runs, handled } = failingFor(bad);
    const verdicts = await bisectBatch(items(50), run, noOutage);
    expect(of(verdicts, 'failed')).toEqual([bad]);
    expect(handled).toEqual(items(50).filter((item) => item !== bad));
    expect(runs.length).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(50)));
  });

  it('several bad items fail each with its own error', async () => {
    const run = async (part: readonly number[]) => {
      const bad = part.find((item) => item % 10 === 3);
      if (bad !== undefined) throw new Error(`bad ${bad}`);
    };
    const verdicts = await bisectBatch(items(25), run, noOutage);
    const failed = verdicts.flatMap((verdict) => (verdict.kind === 'failed' ? [[verdict.item, verdict.error]] : []));
    expect(failed).toEqual([
      [3, new Error('bad 3')],
      [13, new Error('bad 13')],
      [23, new Error('bad 23')],
    ]);
  });

  it('a handler that says which items failed is not called again', async () => {
    const runs: (readonly number[])[] = [];
    const errors = new Map<string, unknown>([
      ['3', new Error('bad 3')],
      ['7', new Postpone(1)],
    ]);
    const run = async (part: readonly number[]) => {
      runs.push(part);
      throw new SomeFailed(errors);
    };
    const verdicts = await bisectBatch(items(10), run, noOutage);
    expect(runs).toEqual([items(10)]);
    expect(of(verdicts, 'passed')).toEqual([0, 1, 2, 4, 5, 6, 8, 9]);
    expect(verdicts.flatMap((verdict) => (verdict.kind === 'failed' ? [verdict.error] : []))).toEqual([...errors.values()]);
  });

  it('any thrown value is a failure', async () => {
    const verdicts = await bisectBatch([1], () => Promise.reject(undefined), noOutage);
    expect(verdicts).toEqual([{ item: 1, kind: 'failed', error: undefined }]);
  });

  it('an outage halves no batch: that would only call the dependency again', async () => {
    const { run, runs } = failingFor(...items(50));
    const verdicts = await bisectBatch(items(50), run, { ...noOutage, isOutage: () => true });
    expect(runs).toHaveLength(1);
    expect(of(verdicts, 'outage')).toEqual(items(50));
  });

  it('no further part runs after an outage, and passed items stay passed', async () => {
    let runs = 0;
    const run = async (part: readonly number[]) => {
      runs += 1;
      if (runs === 1) throw new Error('first the whole');
      if (runs === 3) throw new Error('outage');
      return part;
    };
    const verdicts = await bisectBatch(items(4), run, { ...noOutage, isOutage: (error) => (error as Error).message === 'outage' });
    expect(of(verdicts, 'passed')).toEqual([0, 1]);
    expect(of(verdicts, 'outage')).toEqual([2, 3]);
    expect(runs).toBe(3);
  });

  it('items beyond the time budget are postponed, so that no delivery grows old', async () => {
    const run = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      throw new Error('slow and bad');
    };
    const verdicts = await bisectBatch(items(4), run, { ...noOutage, budgetMs: 1 });
    expect(verdicts.map((verdict) => verdict.kind === 'failed' && verdict.error instanceof Postpone)).toEqual([true, true, true, true]);
  });
});
