import { describe, expect, it } from 'vitest';
import { collectGarbage } from '#lib/runtime/process/collect-garbage';
import { parseMetrics } from './parse-metrics.js';
import { ScrapeRounds } from './scrape-rounds.js';

const START = 1_800_000_000_000;
/** A round at so many seconds, with the text of each target. */
const round = (seconds: number, texts: Readonly<Record<string, string>>) => ({
  at: START + seconds * 1_000,
  processes: Object.entries(texts).map(([target, text]) => ({ target, service: 'gateway', samples: parseMetrics(text).samples })),
  failed: [],
});
const roundsOf = (...texts: readonly (readonly [seconds: number, text: string])[]) => {
  const rounds = new ScrapeRounds();
  for (const [seconds, text] of texts) rounds.add(round(seconds, { a: text }));
  return rounds;
};
const MINUTE = { ms: 60_000 };

describe('Rounds of metrics', () => {
  it('give the rate of a counter over what was observed', () => {
    const rounds = roundsOf([0, 'c 10'], [5, 'c 20'], [10, 'c 60']);
    expect(rounds.increase('c', MINUTE)).toBe(50);
    expect(rounds.rate('c', MINUTE)).toBe(5);
  });

  it('look back no further than the window', () => {
    const rounds = roundsOf([0, 'c 0'], [30, 'c 30'], [60, 'c 90']);
    expect(rounds.increase('c', { ms: 30_000 })).toBe(60);
    expect(rounds.rate('c', { ms: 30_000, until: START + 30_000 })).toBe(1);
  });

  it('take a counter that falls for one that began again at 0', () => {
    expect(roundsOf([0, 'c 100'], [5, 'c 110'], [10, 'c 3'], [15, 'c 5']).increase('c', MINUTE)).toBe(15);
  });

  it('count a series from 0 that its process shows for the first time, but not that of a process never seen before', () => {
    const rounds = roundsOf([0, 'up 1'], [5, 'up 1\nfailed_total{queue="q"} 2']);
    expect(rounds.increase('failed_total', MINUTE)).toBe(2);
    expect(roundsOf([0, 'failed_total 7']).increase('failed_total', MINUTE)).toBeUndefined();
  });

  it('do not know the growth of what was seen once, nor that of what is not there', () => {
    const rounds = roundsOf([0, 'c 1']);
    expect(rounds.increase('c', MINUTE)).toBeUndefined();
    expect(rounds.rate('c', MINUTE)).toBeUndefined();
    expect(rounds.rate('other', MINUTE)).toBeUndefined();
  });

  it('add up processes and select by labels, target and service', () => {
    const rounds = new ScrapeRounds();
    const text = (ok: number, bad: number) => `hits{status="200"} ${ok}\nhits{status="500"} ${bad}`;
    rounds.add(round(0, { a: text(0, 0), b: text(0, 0) }));
    rounds.add(round(10, { a: text(10, 1), b: text(20, 2) }));
    expect(rounds.increase('hits', MINUTE)).toBe(33);
    expect(rounds.increase('hits', MINUTE, { labels: { status: '500' } })).toBe(3);
    expect(rounds.increase('hits', MINUTE, { target: 'b' })).toBe(22);
    expect(rounds.increase('hits', MINUTE, { service: 'ops' })).toBeUndefined();
    expect(rounds.sum('hits', { labels: { status: '200' } })).toBe(30);
  });

  it('give the quantile of a histogram as Prometheus does', () => {
    const text = (...counts: number[]) => ['0.1', '0.5', '+Inf'].map((le, i) => `d_bucket{le="${le}"} ${counts[i]}`).join('\n');
    const rounds = roundsOf([0, text(0, 0, 0)], [5, text(50, 90, 100)]);
    expect(rounds.quantile(0.25, 'd', MINUTE)).toBeCloseTo(0.05);
    expect(rounds.quantile(0.7, 'd', MINUTE)).toBeCloseTo(0.3);
    expect(rounds.quantile(0.99, 'd', MINUTE)).toBe(0.5); // beyond the last finite bound
    expect(roundsOf([0, text(1, 1, 1)], [5, text(1, 1, 1)]).quantile(0.5, 'd', MINUTE)).toBeUndefined();
  });

  it('show a gauge only while its process answers and has it', () => {
    const rounds = roundsOf([0, 'g 5'], [5, 'up 1']);
    expect(rounds.sum('g')).toBeUndefined();
    expect(rounds.sum('g', {}, START)).toBe(5);
    rounds.add({ at: START + 10_000, processes: [], failed: [{ target: 'a', code: 'ECONNREFUSED' }] });
    expect(rounds.values('up')).toEqual([]);
    expect(rounds.missing(MINUTE)).toEqual([{ target: 'a', code: 'ECONNREFUSED' }]);
    expect(rounds.serviceAt('a')).toBe('gateway');
  });

  it('name a target that is no longer behind its name', () => {
    const rounds = new ScrapeRounds();
    rounds.add(round(0, { a: 'up 1', b: 'up 1' }));
    rounds.add(round(5, { a: 'up 1' }));
    expect(rounds.missing(MINUTE)).toEqual([{ target: 'b', code: 'GONE' }]);
  });

  it('find a series that has changed its place', () => {
    expect(roundsOf([0, 'a 1\nb 10'], [5, 'b 20\na 2'], [10, 'x 1\nb 30\na 3']).increases('b', MINUTE)[0]?.value).toBe(20);
  });

  it('keep every round of two minutes, one per half minute before, and nothing of more than ten and a half', () => {
    const rounds = new ScrapeRounds();
    for (let seconds = 0; seconds <= 3_600; seconds += 5) rounds.add(round(seconds, { a: `c ${seconds}` }));
    const count = (ms: number, untilSeconds: number) => rounds.roundCount({ ms, until: START + untilSeconds * 1_000 });
    expect(count(60_000, 3_600)).toBe(13);
    expect(count(3_600_000, 3_600)).toBeLessThan(26 + 26);
    expect(rounds.rate('c', { ms: 600_000 })).toBe(1);
    expect(rounds.increase('c', { ms: 3_600_000 })).toBeLessThanOrEqual(660);
  });

  it('forget a process that is gone for long', () => {
    const rounds = roundsOf([0, 'c 1']);
    for (let seconds = 5; seconds <= 700; seconds += 5) rounds.add(round(seconds, { b: 'c 1' }));
    expect(rounds.serviceAt('a')).toBeUndefined();
    expect(rounds.increases('c', { ms: 3_600_000 }).map(({ target }) => target)).toEqual(['b']);
  });
});

describe('What rounds hold in memory', () => {
  const heapMiB = () => {
    collectGarbage();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };

  it('is their series, and not the texts in which those came', () => {
    const rounds = new ScrapeRounds();
    const before = heapMiB();
    // Half a megabyte each time, of which one line is new: an outcome that was not seen before. (A text of a whole one is kept outside of the heap.)
    for (let i = 0; i < 60; i += 1) {
      const outcomes = Array.from({ length: i + 1 }, (_, number) => `calls_total{operation="an operation of some length ${number}"} 1`);
      const text = Buffer.from(`${outcomes.join('\n')}\n# ${'x'.repeat(2 ** 19)}`).toString();
      rounds.add(round(5 * i, { a: text }));
    }
    expect(rounds.values('calls_total')).toHaveLength(60);
    expect(heapMiB() - before).toBeLessThan(10);
  });

  it('is less than 3 KB for each series however long they last, so that the most of them (60,000) fit into half of the heap of a pod', () => {
    const rounds = new ScrapeRounds();
    const before = heapMiB();
    const name = 'http_request_duration_seconds_bucket';
    const labelsOf = (i: number) => ({ route: '/v1/conversations/:conversationId/messages', method: 'POST', status: '202', le: `${i}` });
    for (let seconds = 0; seconds <= 700; seconds += 5) {
      const samples = Array.from({ length: 2_000 }, (_, i) => ({ name, labels: labelsOf(i), value: seconds + i / 7 }));
      const at = START + seconds * 1_000;
      rounds.add({ at, processes: [{ target: 'http://10.0.0.1:9090/metrics', service: 'gateway', samples }], failed: [] });
    }
    expect(rounds.values('http_request_duration_seconds_bucket')).toHaveLength(2_000);
    expect(((heapMiB() - before) * 2 ** 20) / 2_000).toBeLessThan(3_000);
  });
});
