import { beforeEach, describe, expect, it } from 'vitest';
import type { Sample } from '../scrape/parse-metrics.js';
import { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { AlertStates } from './alert-states.js';
import { Findings } from './find-alerts.js';
import { rules } from './rules.js';

let rounds: ScrapeRounds;
let states: AlertStates;
let at: number;
beforeEach(() => {
  rounds = new ScrapeRounds();
  states = new AlertStates(rules, new Findings(rounds), 'test');
  at = 1_000_000_000_000;
});

const sample = (name: string, value: number, labels: Sample['labels'] = {}): Sample => ({ name, value, labels });
const postgres = (value: number) => sample('health_check_up', value, { check: 'postgres' });
const outbox = (seconds: number) => sample('outbox_oldest_age_seconds', seconds);
const breaker = (state: number) => sample('circuit_breaker_state', state, { dependency: 'postgres' });

/** One round, five seconds after the one before. */
const round = (samples: readonly Sample[], failed: readonly string[] = []) => {
  at += 5_000;
  const answers = failed.includes('ops') ? [] : [{ target: 'ops', service: 'ops', samples }];
  rounds.add({ at, processes: answers, failed: failed.map((target) => ({ target, code: 'ECONNREFUSED' })) });
  const { firing, resolved } = states.next(at, new Set(failed));
  return { firing: firing.map(({ rule }) => rule.name), resolved: resolved.map(({ rule }) => rule.name) };
};
const muted = () => states.all.filter(({ mutedBy }) => mutedBy !== undefined).map(({ rule, mutedBy }) => `${rule.name} by ${mutedBy}`);

describe('an alert', () => {
  it('is pending first, fires when it stays true, and ends once', () => {
    expect(round([postgres(0)])).toEqual({ firing: [], resolved: [] });
    expect(states.all.map(({ state }) => state)).toEqual(['pending']);
    expect(round([postgres(0)])).toEqual({ firing: ['DBConnectionFailure'], resolved: [] });
    expect(round([postgres(0)])).toEqual({ firing: ['DBConnectionFailure'], resolved: [] });
    expect(round([postgres(1)])).toEqual({ firing: [], resolved: ['DBConnectionFailure'] });
    expect(round([postgres(1)])).toEqual({ firing: [], resolved: [] });
  });

  it.each([
    ['DBConnectionFailure', postgres(0)],
    ['PostgresBreakerOpen', breaker(1)],
    ['BrokerUnreachable', sample('health_check_up', 0, { check: 'rabbitmq' })],
    ['RabbitmqBreakerOpen', sample('circuit_breaker_state', 1, { dependency: 'rabbitmq' })],
  ])('%s fires in the second round, ten seconds after its fault at most: it is told within fifteen', (name, found) => {
    expect(round([found]).firing).toEqual([]);
    expect(round([found]).firing).toEqual([name]);
  });

  it('that is true for a moment only is never heard of', () => {
    expect(
      [round([postgres(0)]), round([postgres(1)]), round([postgres(0)]), round([postgres(1)])].flatMap(({ firing, resolved }) => [
        ...firing,
        ...resolved,
      ]),
    ).toEqual([]);
  });

  it('is not over because the process that said so does not answer, for a minute', () => {
    round([postgres(0)]);
    round([postgres(0)]);
    for (let i = 0; i < 11; i += 1) expect(round([], ['ops']).firing).toContain('DBConnectionFailure');
    expect(round([], ['ops']).resolved).toEqual(['DBConnectionFailure']);
  });

  it('that follows from an outage is muted, from the first suspicion on, until 90 s after the outage', () => {
    for (let i = 0; i < 30; i += 1) round([outbox(300)]);
    expect(muted()).toEqual([]);
    round([outbox(300), postgres(0), breaker(1)]);
    expect(muted().toSorted()).toEqual(['OutboxStuck by DBConnectionFailure', 'PostgresBreakerOpen by DBConnectionFailure']);
    round([outbox(300), postgres(0), breaker(1)]);
    expect(muted()).toHaveLength(2);
    // The breakers close a little later; the outbox stays as it is, and that is told.
    for (let i = 0; i < 18; i += 1) {
      round([outbox(300), postgres(1), breaker(i < 2 ? 1 : 0)]);
      expect(muted()).toContain('OutboxStuck by DBConnectionFailure');
    }
    round([outbox(300), postgres(1), breaker(0)]);
    expect(muted()).toEqual([]);
    expect(states.all.map(({ rule }) => rule.name)).toEqual(['OutboxStuck']);
  });

  it('that follows from a mere suspicion is not muted when that is over', () => {
    for (let i = 0; i < 30; i += 1) round([outbox(300)]);
    round([outbox(300), postgres(0)]);
    round([outbox(300), postgres(1)]);
    expect(muted()).toEqual([]);
  });

  it('of a breaker is none when nothing has called since the dependency is back', () => {
    for (let i = 0; i < 30; i += 1) expect(round([breaker(0.5)]).firing).toEqual([]);
  });

  it('is muted by the graver one about the same thing, and only by that', () => {
    const pressure = (outboxRatio: number, queues: number) => [
      sample('pressure_ratio', outboxRatio, { source: 'outbox' }),
      sample('pressure_ratio', queues, { source: 'queues' }),
    ];
    for (let i = 0; i < 30; i += 1) round(pressure(0.96, 0.85));
    expect(states.all.map(({ rule, labels, mutedBy }) => [rule.name, labels['source'], mutedBy])).toEqual([
      ['PipelineFull', 'outbox', undefined],
      ['PipelineFilling', 'outbox', 'PipelineFull'],
      ['PipelineFilling', 'queues', undefined],
    ]);
  });

  it('of a label from nowhere costs no memory without end, and keeps no outage from being told', () => {
    const many = Array.from({ length: 3_000 }, (_, each) => sample('queue_length', 1, { queue: `q${each}.dlq` }));
    for (let i = 0; i < 5; i += 1) round(many);
    expect(states.all.length).toBe(1_000);
    round([...many, postgres(0)]);
    expect(round([...many, postgres(0)]).firing).toContain('DBConnectionFailure');
  });
});
