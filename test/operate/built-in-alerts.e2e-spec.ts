import { describe, expect, it } from 'vitest';
import { AlertStates } from '../../apps/ops/src/alerts/alert-states.js';
import { Findings } from '../../apps/ops/src/alerts/find-alerts.js';
import { rules } from '../../apps/ops/src/alerts/rules.js';
import { parseMetrics } from '../../apps/ops/src/scrape/parse-metrics.js';
import type { ScrapeRound } from '../../apps/ops/src/scrape/scrape.port.js';
import { ScrapeRounds } from '../../apps/ops/src/scrape/scrape-rounds.js';
import { type AlertCase, alertCases } from './alert-cases.js';

const EPOCH = 1_000_000_000_000;
const EVERY_SECONDS = 5;
/** The alerter believes the last word of a metric that is gone for as long as a target that answers may be late with it. */
const builtIn = alertCases.filter(({ onlyPrometheus }) => onlyPrometheus !== true);

/** The samples of one moment, given to the process that their `instance` names. */
const roundAt = (series: AlertCase['series'], seconds: number, everySeconds: number): ScrapeRound => {
  const processes = new Map<string, { service: string; lines: string[] }>();
  for (const [name, values] of Object.entries(series)) {
    const value = values[Math.min(values.length - 1, Math.floor(seconds / everySeconds))];
    const target = /instance="([^"]*)"/.exec(name)?.[1] ?? 'x';
    const service = /service="([^"]*)"/.exec(name)?.[1] ?? 'unknown';
    const known = processes.get(target) ?? { service, lines: [] };
    processes.set(target, known);
    if (value !== null) known.lines.push(`${name.replaceAll(/(?:service|instance|job)="[^"]*",?/g, '')} ${value}`);
  }
  return {
    at: EPOCH + seconds * 1_000,
    processes: [...processes].map(([target, { service, lines }]) => ({ target, service, samples: parseMetrics(lines.join('\n')).samples })),
    failed: [],
  };
};

/** Names and labels of what fires at these moments. */
const firingAt = (series: AlertCase['series'], everySeconds: number, moments: readonly number[]) => {
  const rounds = new ScrapeRounds();
  const findings = new Findings(rounds);
  const states = new AlertStates(rules, findings, 'test');
  const seen: { name: string; labels: Readonly<Record<string, string>> }[][] = [];
  for (let seconds = 0; seconds <= Math.max(...moments); seconds += EVERY_SECONDS) {
    rounds.add(roundAt(series, seconds, everySeconds));
    findings.note();
    const { firing } = states.next(EPOCH + seconds * 1_000, new Set());
    if (moments.includes(seconds)) seen.push(firing.map(({ rule, labels }) => ({ name: rule.name, labels })));
  }
  return seen;
};

describe('the alerter in ops, given the same metrics as Prometheus', () => {
  it('is asked for every rule that it has a condition for', () => {
    const asked = new Set(builtIn.map(({ rule }) => rule));
    const own = rules.filter((rule) => rule.builtIn !== undefined).map(({ name }) => name);
    // Whether a process answers, how long ago a moment is, and what happened within an hour, no series of these cases says: find-alerts.spec.ts.
    expect(own.filter((name) => !asked.has(name))).toEqual(['ServiceDown', 'ProcessCrashed', 'NightMissed', 'FallbackTriggered']);
  });

  it.each(builtIn.map((each) => [each.rule, each] as const))('%s fires when Prometheus does, ends, and stays quiet', (name, each) => {
    const { everySeconds = 15, labels: expected, quietAt, firingAt: now, resolvedAt } = each;
    // It fires after a shorter time than Prometheus: before the fault it is quiet.
    const before = everySeconds * 6;
    const seen = firingAt(each.series, everySeconds, [before, now, resolvedAt]).map((all) => all.filter((alert) => alert.name === name));
    const labels = 'job' in expected ? { instance: expected['instance'] } : expected;
    expect(seen).toEqual([[], [{ name, labels }], []]);
    const almost = firingAt(each.nearMiss, everySeconds, [before, quietAt, now, resolvedAt]).flat();
    expect(almost.filter((alert) => alert.name === name)).toEqual([]);
  });
});
