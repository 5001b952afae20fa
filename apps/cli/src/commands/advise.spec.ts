import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ScalingAdvice, ScalingReport } from '#lib/contracts/scaling';
import { textOf } from './advise.js';

const advice = (differs: Partial<ScalingAdvice> = {}): ScalingAdvice => ({
  service: 'embedding',
  action: 'none',
  rule: 11,
  rebalance: false,
  now: { pods: 12, workers: 4, poolSize: 10, concurrency: 2 },
  to: { pods: 12, workers: 4, poolSize: 10, concurrency: 2 },
  reason: 'Nothing asks for it.',
  numbers: {},
  checks: [],
  connections: { now: 480, after: 480, budget: 1_512 },
  watch: [],
  confidence: 'high',
  etaSeconds: null,
  ...differs,
});
const report = (differs: Partial<ScalingReport> = {}): ScalingReport => ({
  at: new Date().toISOString(),
  items: [advice()],
  atDoubleLoad: [],
  missing: [],
  seesOnlyItself: false,
  ...differs,
});
const shown = (of: ScalingReport, isDouble = false) => stripVTControlCharacters(textOf(of, isDouble, 80));

describe('The advice in a terminal', () => {
  it('fits 80 columns', () => {
    const busy = advice({
      service: 'realtime',
      action: 'prefetch',
      to: { pods: 24, workers: 8, poolSize: 4, concurrency: 4 },
      confidence: 'medium',
      etaSeconds: 5_400,
      reason: 'a reason that goes on '.repeat(20).trim(),
      checks: ['look at the provider first '.repeat(10).trim()],
      watch: ['queue_length', 'event_handle_duration_seconds', 'queue_oldest_age_seconds', 'consumer_paused'],
    });
    for (const line of shown(report({ items: [advice(), busy] })).split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('shows what changes, and the reason', () => {
    const text = shown(report({ items: [advice({ action: 'pods', to: { pods: 14, workers: 4, poolSize: 6, concurrency: 2 } })] }));
    expect(text).toContain('12>14');
    expect(text).toContain('10>6');
    expect(text).toContain('embedding (step 11): Nothing asks for it.');
  });

  it('shows what would be if twice as much came in', () => {
    const double = report({ atDoubleLoad: [advice({ reason: 'Twice as much.' })] });
    expect(shown(double, true)).toContain('Twice as much.');
  });

  it('names processes that are missing, and says when ops sees only itself', () => {
    const text = shown(
      report({ missing: [{ target: 'http://a/metrics', service: 'scoring', code: 'ECONNREFUSED' }], seesOnlyItself: true }),
    );
    expect(text).toContain('missing: scoring at http://a/metrics: ECONNREFUSED');
    expect(text).toContain('METRICS_TARGETS is empty');
  });
});
