import pc from 'picocolors';
import { RabbitControlChannel } from '#lib/bus/adapters/rabbitmq/rabbit-control-channel';
import { RabbitQueueStatus } from '#lib/bus/adapters/rabbitmq/rabbit-queue-status';
import { type QueuesView, QueueWatch } from '#lib/bus/queue-status/queue-watch';
import type { QueueView } from '#lib/contracts/http';
import type { Config } from '#lib/runtime/config/config';
import { Explained } from '#lib/devstack/terminal/explain';
import { repeatedly } from '#lib/devstack/terminal/repeatedly';
import { runningStack } from '#lib/devstack/home/running-stack';
import { askGateway } from '../operator/ask-gateway.js';
import { inOneProcess } from '../operator/in-one-process.js';
import { APP } from '../operator/identity.js';
import { silentLog } from '../operator/logs.js';
import { operatorConfig } from '../operator/operator-config.js';
import { tableOf } from '#lib/devstack/terminal/table';
import { ago, duration, processLabels } from '../output/cells.js';

/** As GET /v1/admin/queues answers. */
interface QueueList {
  readonly items: readonly QueueView[];
  readonly unknownQueues: number | null;
  readonly publishing: ReturnType<typeof troublesOf>;
  readonly others: QueuesView['consumers']['others'];
}

interface Options {
  readonly json?: boolean;
  readonly watch?: boolean;
}

/** `parley queues`: what waits where, asked from RabbitMQ, and what their consumers say, asked from every process; no gateway is needed. */
export async function showQueues({ json = false, watch = false }: Options): Promise<void> {
  const print = (list: QueueList) =>
    process.stdout.write(json ? `${JSON.stringify(list, undefined, watch ? 0 : 2)}\n` : `${textOf(list)}\n`);
  if (await inOneProcess()) return repeatedly(watch, async () => void print(await askGateway<QueueList>('/v1/admin/queues', undefined)));
  const config = await operatorConfig();
  await withWatch(config, async (queues) => {
    await repeatedly(watch, async () => {
      const view = await lookAt(queues);
      print(listOf(view));
      if (!watch) requireSomething(view, config);
    });
  });
}

function requireSomething({ items }: QueuesView, config: Config): void {
  if (items.some(({ ready }) => ready !== null)) return;
  const { host } = new URL(config.RABBITMQ_MANAGEMENT_URL ?? config.RABBITMQ_URL);
  throw new Explained(`RabbitMQ at ${host} says nothing about its queues: is it running, and has Parley been started with it?`);
}

async function withWatch(
  { RABBITMQ_URL: url, RABBITMQ_MANAGEMENT_URL: managementUrl, BUS_HEARTBEAT_S: heartbeatS }: Config,
  use: (queues: QueueWatch) => Promise<void>,
): Promise<void> {
  const place = { url, app: APP, heartbeatS, logger: silentLog() };
  const status = new RabbitQueueStatus({ ...place, managementUrl });
  const control = new RabbitControlChannel(place);
  await Promise.all([status.start(), control.start()]);
  try {
    await use(new QueueWatch(status, control));
  } finally {
    await Promise.all([status.stop(), control.stop()]);
  }
}

/** Ages that a first look cannot know are those that ops has derived over time, where it runs here. */
async function lookAt(queues: QueueWatch): Promise<QueuesView> {
  const [view, ages] = await Promise.all([queues.read(), agesOfOps()]);
  const withAge = (item: QueueView): QueueView =>
    item.oldestAgeSeconds === 0 && item.ready !== 0 ? { ...item, oldestAgeSeconds: ages.get(item.name) ?? null } : item;
  return { ...view, items: view.items.map(withAge) };
}

const METRICS_TIMEOUT_MS = 2_000;
const AGE = /^queue_oldest_age_seconds\{queue="([^"]+)"\} (\S+)$/gm;

async function agesOfOps(): Promise<Map<string, number>> {
  const url = (await runningStack())?.services.find(({ name }) => name === 'ops')?.url;
  if (url === undefined) return new Map();
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(METRICS_TIMEOUT_MS) }).catch(() => undefined);
  const text = answer?.ok === true ? await answer.text() : '';
  return new Map([...text.matchAll(AGE)].map(([, queue = '', value]) => [queue, Number(value)]));
}

const listOf = ({ items, unknownCount, consumers, publishers }: QueuesView): QueueList => ({
  items,
  unknownQueues: unknownCount,
  publishing: troublesOf(publishers),
  others: consumers.others,
});

function textOf({ items, publishing: troubles, others }: QueueList): string {
  const rows = items.map(({ name, ready, unacked, consumers: count, paused, pausedSince, oldestAgeSeconds, deadLetters, unknown }) => [
    unknown ? pc.red(name) : name,
    shown(ready),
    shown(unacked),
    shown(count),
    paused === null ? '?' : pausedSince === null ? 'no' : pc.yellow(ago(pausedSince)),
    oldestAgeSeconds === null ? '?' : duration(oldestAgeSeconds * 1_000),
    shown(deadLetters),
  ]);
  const unknown = items.filter(({ unknown: isUnknown }) => isUnknown).map(({ name }) => name);
  const label = processLabels(troubles);
  return [
    tableOf(['queue', 'ready', 'unacked', 'consumers', 'paused', 'oldest', 'dead'], rows),
    ...(unknown.length === 0
      ? []
      : [pc.red(`not in the pipeline, nothing empties it: ${unknown.join(', ')} (docs/operate/runbooks/unknown-queue.md)`)]),
    ...troubles.map((each) =>
      pc.red(`${label(each)} cannot publish ${each.routingKey}: ${each.reason}, ${each.count} times in ${ago(each.since)}`),
    ),
    ...(others === 'unreachable' ? [pc.red('RabbitMQ does not answer: nothing is known of pauses and ages')] : []),
  ].join('\n');
}

const troublesOf = (publishers: QueuesView['publishers']) =>
  publishers.processes.flatMap((each) =>
    each.silent ? [] : (each.answer ?? []).map((trouble) => ({ app: each.app, host: each.host, pid: each.pid, ...trouble })),
  );

const shown = (count: number | null): string => (count === null ? '?' : String(count));
