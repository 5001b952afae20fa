import { beforeEach, describe, expect, it } from 'vitest';
import type { Sample } from '../scrape/parse-metrics.js';
import { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { Findings } from './find-alerts.js';

let rounds: ScrapeRounds;
let findings: Findings;
let at: number;
beforeEach(() => {
  rounds = new ScrapeRounds();
  findings = new Findings(rounds);
  at = 1_000_000_000_000;
});
const round = (samples: readonly Sample[], failed: readonly string[] = []) => {
  at += 5_000;
  rounds.add({ at, processes: [{ target: 'g', service: 'gateway', samples }], failed: failed.map((target) => ({ target, code: 'x' })) });
  findings.note();
};
const sample = (name: string, value: number, labels: Sample['labels'] = {}): Sample => ({ name, value, labels });

describe('conditions', () => {
  it('a process that does not answer is found by its address', () => {
    round([], ['http://127.0.0.1:8083/metrics']);
    expect(findings.of({ kind: 'unreachable' })).toEqual([
      { labels: { instance: 'http://127.0.0.1:8083/metrics' }, value: 1, targets: [] },
    ]);
  });

  it('an address that has never answered may be a pod that fetches its image: it has five minutes; one that has answered has none', () => {
    const [known, fresh] = ['http://10.0.0.1:9090/metrics', 'http://10.0.0.2:9090/metrics'];
    const ask = (answers: readonly string[]) => {
      at += 5_000;
      const failed = [known, fresh].filter((target) => !answers.includes(target));
      rounds.add({
        at,
        processes: answers.map((target) => ({ target, service: 'gateway', samples: [] })),
        failed: failed.map((target) => ({ target, code: 'ECONNREFUSED', isAddress: true })),
      });
      findings.note();
      return findings
        .of({ kind: 'unreachable' })
        .map(({ labels }) => labels['instance'] ?? '')
        .toSorted((one, other) => one.localeCompare(other));
    };
    expect(ask([known])).toEqual([]);
    expect(ask([])).toEqual([known]);
    for (let seconds = 10; seconds < 300; seconds += 5) expect(ask([])).toEqual([known]);
    expect(ask([])).toEqual([known, fresh]);
    // It stays so, though nothing is remembered of the one that has answered ten minutes ago.
    for (let seconds = 305; seconds < 1_200; seconds += 5) expect(ask([])).toEqual([known, fresh]);
    expect(ask([fresh])).toEqual([known]);
    expect(ask([])).toEqual([known, fresh]);
  });

  it('a moment is found for as long as it is not long ago, also of a process that is new; 0 is no moment', () => {
    const ended = (moment: number) => {
      round([sample('process_crash_timestamp_seconds', moment)]);
      return findings.of({ kind: 'age', metric: 'process_crash_timestamp_seconds', by: ['service', 'instance'], below: 300 });
    };
    expect(ended(0)).toEqual([]);
    const moment = at / 1_000;
    expect(ended(moment)).toEqual([{ labels: { service: 'gateway', instance: 'g' }, value: 5, targets: ['g'] }]);
    for (let seconds = 10; seconds < 300; seconds += 5) expect(ended(moment)).toHaveLength(1);
    expect(ended(moment)).toEqual([]);
    expect(findings.of({ kind: 'age', metric: 'process_crash_timestamp_seconds', above: 299 })).toHaveLength(1);
  });

  it('three starts within ten minutes are found, and two are not; older ones do not count', () => {
    const start = (seconds: number) => round([sample('process_start_time_seconds', seconds)]);
    const found = () => findings.of({ kind: 'restarts', overSeconds: 600, above: 2 }).map(({ value }) => value);
    for (const seconds of [1, 2, 3]) start(seconds);
    expect(found()).toEqual([]);
    start(4);
    expect(found()).toEqual([3]);
    for (let i = 0; i < 120; i += 1) start(4);
    expect(found()).toEqual([]);
  });

  it('the first event of a counter is found, though its series was not there before', () => {
    const condition = { kind: 'increase', metric: 'fallback_total', by: ['dependency', 'service'], overSeconds: 60, above: 0 } as const;
    round([]);
    expect(findings.of(condition)).toEqual([]);
    round([sample('fallback_total', 1, { dependency: 'chroma' })]);
    expect(findings.of(condition)).toEqual([{ labels: { dependency: 'chroma', service: 'gateway' }, value: 1, targets: ['g'] }]);
    for (let i = 0; i < 14; i += 1) round([sample('fallback_total', 1, { dependency: 'chroma' })]);
    expect(findings.of(condition)).toEqual([]);
  });

  it('a value that is not a number is not known, and not known is not true', () => {
    round([sample('outbox_oldest_age_seconds', Number.NaN)]);
    expect(findings.of({ kind: 'value', metric: 'outbox_oldest_age_seconds', above: 0 })).toEqual([]);
    expect(findings.of({ kind: 'value', metric: 'outbox_oldest_age_seconds', below: 1 })).toEqual([]);
    expect(findings.of({ kind: 'share', metric: 'a', of: { metric: 'b' }, overSeconds: 60, above: 0, atLeast: 0 })).toEqual([]);
  });

  it('a value within a time is the highest that was, and is forgotten after it', () => {
    const condition = { kind: 'value', metric: 'circuit_breaker_state', by: ['dependency'], overSeconds: 60, above: 0.5 } as const;
    const breaker = (state: number) => round([sample('circuit_breaker_state', state, { dependency: 'chroma' })]);
    breaker(1);
    for (let i = 0; i < 11; i += 1) breaker(0.5);
    expect(findings.of(condition)).toEqual([{ labels: { dependency: 'chroma' }, value: 1, targets: ['g'] }]);
    breaker(0.5);
    expect(findings.of(condition)).toEqual([]);
  });

  it('patterns match whole labels', () => {
    round([sample('queue_length', 5, { queue: 'x.dlq' }), sample('queue_length', 6, { queue: 'x.dlq.more' })]);
    expect(findings.of({ kind: 'value', metric: 'queue_length', where: { queue: '.+[.]dlq' }, above: 0 })[0]?.value).toBe(5);
  });
});
