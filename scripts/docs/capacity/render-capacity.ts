import { pipeline, requests } from '#lib/contracts/pipeline';
import { requestTopology, topologyOf } from '#lib/bus/topology';
import { measured, pipelineMs, searchMs, storedBytes, storm, walBytes } from './measured.js';
import { assumed, type CapacityPlan, limits, planFor } from './plan.js';

const USERS = [1_000, 100_000, 10_000_000] as const;

const count = (value: number): string => (value < 10 ? String(Number(value.toPrecision(2))) : Math.round(value).toLocaleString('en-US'));
const size = (bytes: number): string =>
  bytes >= 1e12
    ? `${Number((bytes / 1e12).toPrecision(3))} TB`
    : bytes >= 1e9
      ? `${Number((bytes / 1e9).toPrecision(3))} GB`
      : `${Number((bytes / 1e6).toPrecision(3))} MB`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');

const queueCount =
  topologyOf(pipeline).queues.length +
  Object.entries(requests).reduce((sum, [name, row]) => sum + requestTopology(name, row).queues.length, 0);

const one = (): string =>
  table(
    ['one process', 'carries', 'derived from'],
    [
      [
        'gateway worker, few messages per commit',
        `${count(limits.sendsFew)} sends/s`,
        `${pipelineMs.gateway} ms/s of CPU at ${measured.pipelinePerSecond}/s ([pipeline](../performance/pipeline.md)), half of an event loop`,
      ],
      [
        'gateway worker, many messages per commit',
        `${count(limits.sendsMany)} sends/s`,
        `${count(measured.gatewayFullBatches)} µs per send at 100 connections (run ${measured.commit}), half of an event loop; ${count(measured.acksPerSecond)}/s were acknowledged there with everything on two cores`,
      ],
      [
        'embedding process',
        `${count(limits.embedded)} messages/s`,
        `${pipelineMs.embedding} ms/s at ${measured.pipelinePerSecond}/s; Chroma is slower: ${count(measured.vectorsPerSecond)} vectors/s up to ${count(measured.vectorsHeld)} held (run ${measured.commit})`,
      ],
      [
        'realtime node of 1 GB',
        `${count(limits.socketsIn(1e9))} idle sockets by memory, 20,000 unless set (WS_MAX_SOCKETS)`,
        `${measured.bytesPerSocket} bytes each beyond ${measured.emptyRealtimeMiB} MiB (run ${measured.liveCommit}), 65 % full`,
      ],
      [
        'realtime node, frames',
        `${count(measured.framesPerSecond)}/s in bursts; ${count(500_000 / measured.microsPerWrite)}/s one at a time`,
        `${measured.microsPerFrame} µs per frame of a burst, ${measured.microsPerWrite} µs per write (bare ws, run ${measured.liveCommit}), half of an event loop`,
      ],
      [
        'a full realtime node that dies',
        `${count(limits.resumeSeconds)} s of CPU over all processes`,
        `${storm.all} s for ${count(storm.clients)} clients ([live](../performance/live.md))`,
      ],
      [
        'delivery',
        `at least ${measured.pipelinePerSecond} messages/s`,
        `it kept up with the pipeline of run ${measured.commit}; its limit was not measured`,
      ],
      [
        'scoring, signals',
        `at least ${measured.pipelinePerSecond} messages/s`,
        'the same; analyses are limited by the quota of the model ([language model](llm.md))',
      ],
      ['ops', '3,400 rows/s out of the outbox', '[outages](../performance/outages.md); it is asked for that only after an outage'],
    ],
  );

const assumptions = (): string =>
  table(
    ['assumed of users', 'value'],
    [
      ['messages per user and day', String(assumed.messagesPerUserAndDay)],
      ['of them in the busiest hour', `${assumed.busiestHour * 100} %`],
      ['users with an open socket then', `${assumed.online * 100} %`],
      ['open sockets that a message goes to', String(assumed.openReceivers)],
      ['searches per user and day', String(assumed.searchesPerUserAndDay)],
      ['ends of conversations per user and day, scored with a language model of two calls', String(assumed.endsPerUserAndDay)],
    ],
  );

const plans = (): string => {
  const all = USERS.map(planFor);
  const row = (name: string, of: (plan: CapacityPlan) => string): string[] => [name, ...all.map(of)];
  return table(
    ['', ...USERS.map((users) => `${users.toLocaleString('en-US')} users`)],
    [
      row('messages per day', (plan) => count(plan.messagesPerDay)),
      row('messages/s in the busiest hour', (plan) => count(plan.messages)),
      row('searches/s', (plan) => count(plan.searches)),
      row('open sockets', (plan) => count(plan.sockets)),
      row('gateway: workers, pods', (plan) => `${plan.gatewayWorkers}, ${plan.gatewayPods}`),
      row('realtime nodes of 20,000 sockets', (plan) => count(plan.realtime)),
      row('frames/s of one node', (plan) => count((plan.messages * assumed.openReceivers) / plan.realtime)),
      row('delivery, embedding, scoring', (plan) => `${plan.delivery}, ${plan.embedding}, ${plan.scoring}`),
      row('language model, calls per minute', (plan) => count(plan.modelCallsPerMinute)),
      row('Postgres, cores', (plan) => count(plan.postgresCores)),
      row('connections at a rollout, `max_connections`', (plan) => `${count(plan.connections)}, ${count(plan.maxConnections)}`),
      row('RabbitMQ, cores of each node', (plan) => count(plan.rabbitmqCores)),
      row('Redis, cores', (plan) => count(plan.redisCores)),
      row('Chroma, cores', (plan) => count(plan.chromaCores)),
      row('messages per month', (plan) => count(plan.messagesPerMonth)),
      row('Postgres, growth per month', (plan) => size(plan.messagesPerMonth * storedBytes)),
      row('WAL of commits per day', (plan) => size(plan.messagesPerDay * walBytes)),
      row('vectors alone, growth per month', (plan) => size(plan.vectorBytesPerMonth)),
      row('search is measured for the first', (plan) =>
        plan.daysToMeasuredSearch < 1
          ? `${count(plan.daysToMeasuredSearch * 24 * 60)} minutes`
          : `${count(plan.daysToMeasuredSearch)} days`,
      ),
    ],
  );
};

const arithmetic = (): string => {
  const { users, messages, searches, gatewayWorkers, postgresCores, messagesPerMonth } = planFor(100_000);
  const second = (value: number) => Number(value.toPrecision(3));
  const perMessage = (part: keyof typeof pipelineMs) => second(pipelineMs[part] / measured.pipelinePerSecond);
  return [
    `For ${users.toLocaleString('en-US')} users:`,
    '',
    '```',
    `messages/s        ${users} x ${assumed.messagesPerUserAndDay} x ${assumed.busiestHour} / 3600 s = ${second(messages)}`,
    `searches/s        ${users} x ${assumed.searchesPerUserAndDay} x ${assumed.busiestHour} / 3600 s = ${second(searches)}`,
    `gateway workers   (${second(messages)} x ${perMessage('gateway')} ms + ${second(searches)} x ${searchMs.gateway} ms) / 500 ms = ${second((messages * perMessage('gateway') + searches * searchMs.gateway) / 500)}, at least 2: ${gatewayWorkers}`,
    `Postgres cores    (${second(messages)} x ${perMessage('postgres')} ms + ${second(searches)} x ${searchMs.postgres} ms) / 600 ms = ${second(postgresCores)}`,
    `growth per month  ${messagesPerMonth} messages x ${storedBytes} bytes = ${size(messagesPerMonth * storedBytes)}`,
    '```',
  ].join('\n');
};

/** What is printed into docs/operate/capacity.md. */
export const renderCapacity = (): string =>
  [
    '## What one process carries',
    one(),
    '## The plans',
    assumptions(),
    plans(),
    arithmetic(),
    `RabbitMQ has ${queueCount} queues at any size: a work queue, three retry queues and one of dead letters for each of ${Object.keys(pipeline).length} rows, and ${Object.keys(requests).length} of requests; and one control queue per process.`,
  ].join('\n\n');
