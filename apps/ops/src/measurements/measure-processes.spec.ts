import { expect, it } from 'vitest';
import { Measurements, MOST_POINTS } from '#lib/contracts/measurements';
import { answerOf } from '#lib/runtime/workers/sibling-workers';
import { parseMetrics } from '../scrape/parse-metrics.js';
import { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { MeasureProcesses } from './measure-processes.js';

const START = 1_800_000_000_000;
const PRODUCERS = ['gateway', 'realtime', 'ops', 'embedding', 'scoring', 'delivery'];

/** Takes a round each five seconds; `texts` are the metrics of each service, null for one that does not answer. */
const measuring = () => {
  const rounds = new ScrapeRounds();
  const measure = new MeasureProcesses(rounds);
  let at = START - 5_000;
  return {
    round: (texts: Readonly<Record<string, string | null>>) => {
      at += 5_000;
      const answering = Object.entries(texts).flatMap(([service, text]) => (text === null ? [] : [{ service, text }]));
      rounds.add({
        at,
        processes: answering.map(({ service, text }) => ({ target: `${service}:80`, service, samples: parseMetrics(text).samples })),
        failed: Object.entries(texts).flatMap(([service, text]) =>
          text === null ? [{ target: `${service}:80`, code: 'ECONNREFUSED' }] : [],
        ),
      });
      measure.execute();
    },
    report: () => Measurements.parse(answerOf('measurements')),
  };
};

const histogram = (counts: readonly [number, number, number]) =>
  ['0.1', '0.2', '+Inf']
    .map((le, i) => `search_duration_seconds_bucket{le="${le}",mode="hybrid"} ${counts.slice(0, i + 1).reduce((a, b) => a + b, 0)}`)
    .join('\n');

it('latencies are a point for each round, null where nothing happened, and end after fifteen minutes', () => {
  const { round, report } = measuring();
  round({ gateway: histogram([0, 0, 0]) });
  round({ gateway: histogram([100, 0, 0]) });
  const { latencies } = report();
  expect(latencies.times).toEqual([START / 1_000, START / 1_000 + 5]);
  expect(latencies.search).toEqual({ p50: [null, 50], p95: [null, 95], p99: [null, 99] });
  expect(latencies.ack.p50).toEqual([null, null]);
  for (let i = 0; i < MOST_POINTS + 10; i += 1) round({ gateway: histogram([100, 0, 0]) });
  expect(report().latencies.times).toHaveLength(MOST_POINTS);
  expect(JSON.stringify(report().latencies).length).toBeLessThan(16_000);
});

it('the rate of a queue is 0 only when all who could have counted were heard, and null otherwise', () => {
  const { round, report } = measuring();
  const rateOf = (name: string) => report().queues.find((queue) => queue.name === name);
  const all = (text: string) => Object.fromEntries(PRODUCERS.map((service) => [service, service === 'gateway' ? text : 'up 1']));
  const published = (count: number) => `amqp_publish_duration_seconds_count{routing_key="message.created",outcome="confirmed"} ${count}`;
  round(all(published(0)));
  expect(rateOf('embedding.messages')).toMatchObject({ publishedPerSecond: null, handledPerSecond: null });
  round(all(published(50)));
  expect(rateOf('embedding.messages')).toMatchObject({ publishedPerSecond: 10, handledPerSecond: 0 });
  expect(rateOf('delivery.push')).toMatchObject({ publishedPerSecond: 0, handledPerSecond: 0 });

  const others = measuring();
  others.round({ gateway: published(0) });
  others.round({ gateway: published(50) });
  expect(rateOf('embedding.messages')).toMatchObject({ publishedPerSecond: null, handledPerSecond: null });
});

it('the rates of a queue are known where one process is all services', () => {
  const { round, report } = measuring();
  round({ standalone: 'event_attempts_total{queue="delivery.push",outcome="done"} 1' });
  round({ standalone: 'event_attempts_total{queue="delivery.push",outcome="done"} 11' });
  const rates = report().queues.find(({ name }) => name === 'delivery.push');
  expect(rates).toMatchObject({ publishedPerSecond: 0, handledPerSecond: 2 });
});

it('a process that stops answering is shown as such since then, and nothing old of it', () => {
  const { round, report } = measuring();
  const text = 'process_resident_memory_bytes 1000\nnodejs_eventloop_lag_p99_seconds 0.012\nprocess_start_time_seconds 1799999990';
  round({ embedding: text, ops: 'up 1' });
  const ready = {
    service: 'embedding',
    target: 'embedding:80',
    ready: true,
    memoryBytes: 1_000,
    loopLagMs: 12,
    since: '2027-01-15T08:00:00.000Z',
  };
  expect(report().processes[0]).toMatchObject({ ...ready, startedAt: '2027-01-15T07:59:50.000Z' });
  round({ embedding: text, ops: 'up 1' });
  expect(report().processes[0]).toMatchObject(ready);
  round({ embedding: null, ops: 'up 1' });
  const silent = { service: 'embedding', ready: false, memoryBytes: null, loopLagMs: null, since: '2027-01-15T08:00:10.000Z' };
  expect(report().processes[0]).toMatchObject(silent);
  // An orchestrator takes it away: it is neither asked nor heard any more.
  for (let i = 0; i < 30; i += 1) round({ ops: 'up 1' });
  expect(report().processes.map(({ service }) => service)).toEqual(['ops']);
});
