import { describe, expect, it } from 'vitest';
import { metrics, renderMetrics, startProcessMetrics } from '#lib/runtime/metrics/metrics';
import { answerOf } from '#lib/runtime/workers/sibling-workers';
import { MemoryConnectionLimits } from '../advice/adapters/memory-connection-limits.js';
import { AdviseScaling } from '../advice/advise-scaling.js';
import { Findings } from '../alerts/find-alerts.js';
import { rules } from '../alerts/rules.js';
import { MeasureProcesses } from '../measurements/measure-processes.js';
import { keptMetrics } from './kept-metrics.js';
import { parseMetrics } from './parse-metrics.js';
import { ScrapeRounds } from './scrape-rounds.js';

const SERVICES = ['gateway', 'realtime', 'embedding', 'delivery', 'scoring', 'ops'];
const START = 1_800_000_000_000;
/** Two windows of a minute, and one round more. */
const ROUNDS = 26;

/** What a process shows that has done something of each kind. */
const shown = async (): Promise<string> => {
  startProcessMetrics('gateway');
  metrics.httpRequestDuration.observe({ route: '/v1/conversations/:conversationId/messages', method: 'POST', status: '202' }, 0.01);
  metrics.searchDuration.observe({ mode: 'hybrid' }, 0.02);
  metrics.eventAttempts.inc({ queue: 'embedding.messages', outcome: 'done' });
  metrics.queueLength.set({ queue: 'embedding.messages' }, 7);
  metrics.dbPoolSize.set(10);
  return (await renderMetrics()).body;
};

/** What all that ask say after some minutes in which every counter has grown. */
const saidWith = async (body: string, kept: ReadonlySet<string> | undefined) => {
  const rounds = new ScrapeRounds(kept);
  const measured = new MeasureProcesses(rounds);
  const findings = new Findings(rounds);
  const settings = { METRICS_TARGETS: ['x'], ADVICE_WINDOW_MS: 60_000, ML_EMBED_WORKERS: 2, NIGHTLY_WINDOW_HOURS: 8 };
  const advice = new AdviseScaling(rounds, new MemoryConnectionLimits(100), settings);
  for (let i = 0; i < ROUNDS; i += 1) {
    const { samples } = parseMetrics(body, kept);
    const grown = samples.map((sample) => ({
      ...sample,
      value: /_(total|count|sum|bucket)$/.test(sample.name) ? sample.value * (i + 1) : sample.value,
    }));
    rounds.add({ at: START + i * 5_000, processes: SERVICES.map((service) => ({ target: service, service, samples: grown })), failed: [] });
    findings.note();
    measured.execute();
  }
  await advice.execute();
  return {
    advice: advice.report(START + ROUNDS * 5_000),
    alerts: rules.map(({ builtIn }) => builtIn?.anyOf.map((condition) => findings.of(condition))),
    measurements: answerOf('measurements'),
    sampleCount: parseMetrics(body, kept).samples.length,
  };
};

describe('the metrics that are kept', () => {
  it('are all that rules, advice and the admin stream ask for: with the others they say the same', async () => {
    const body = await shown();
    const all = await saidWith(body, undefined);
    const kept = await saidWith(body, keptMetrics);
    expect(kept.advice).toEqual(all.advice);
    expect(kept.advice.items.every(({ reason }) => !reason.includes('known'))).toBe(true);
    expect(kept.alerts).toEqual(all.alerts);
    expect(kept.alerts.flat(2).length).toBeGreaterThan(0);
    expect(kept.measurements).toEqual(all.measurements);
    expect(kept.sampleCount).toBeLessThan(all.sampleCount);
  });

  it('are the only ones that can be asked for: a name that is not kept is a slip in the code, not an absent process', () => {
    const rounds = new ScrapeRounds(new Set(['up']));
    rounds.add({
      at: START,
      processes: [{ target: 'a', service: 'gateway', samples: parseMetrics('up 1\nother_total 2').samples }],
      failed: [],
    });
    expect(rounds.sum('up')).toBe(1);
    expect(() => rounds.sum('other_total')).toThrow('other_total is not kept: name it where it is asked for (kept-metrics.ts)');
    expect(() => rounds.quantile(0.5, 'up', { ms: 1 })).toThrow('up_bucket is not kept');
  });

  it('are read from a text alone, and what cannot be read is counted all the same', () => {
    const { samples, skippedCount } = parseMetrics('up 1\nother{a="b"} 2\n<html>\nup{x=1} 3', new Set(['up']));
    expect(samples.map(({ name }) => name)).toEqual(['up']);
    expect(skippedCount).toBe(2);
  });
});
