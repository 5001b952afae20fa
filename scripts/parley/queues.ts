import { RabbitQueueStatus } from '#lib/bus/adapters/rabbit-queue-status';
import type { QueueStatus } from '#lib/contracts/http';
import type { Config } from '#lib/runtime/config';
import { createLogger } from '#lib/runtime/logger';
import { Explained } from '../explain.js';
import { repeatedly } from '../repeatedly.js';
import { operatorConfig, runningStack } from '../running-stack.js';
import { tableOf } from '../table.js';

/** `parley queues`: what waits where, asked from RabbitMQ; pauses and ages from the metrics of the processes that `npm start` runs here. */
export async function showQueues({ json = false, watch = false }: { json?: boolean; watch?: boolean }): Promise<void> {
  await repeatedly(watch, () => showOnce(json));
}

async function showOnce(json: boolean): Promise<void> {
  const config = await operatorConfig();
  const items = await readQueues(config);
  if (json) process.stdout.write(`${JSON.stringify({ items }, undefined, 2)}\n`);
  else console.log(tableFrom(items));
  if (items.some(({ ready }) => ready !== null)) return;
  const { host } = new URL(config.RABBITMQ_MANAGEMENT_URL ?? config.RABBITMQ_URL);
  throw new Explained(`RabbitMQ at ${host} says nothing about its queues: is it running, and has Parley been started with it?`);
}

function tableFrom(items: readonly QueueStatus[]): string {
  const rows = items.map(({ name, ready, unacked, consumers, paused, oldestAgeSeconds, deadLetters }) => [
    name,
    shown(ready),
    shown(unacked),
    shown(consumers),
    paused === null ? '?' : paused ? 'yes' : 'no',
    oldestAgeSeconds === null ? '?' : `${oldestAgeSeconds.toFixed(1)} s`,
    shown(deadLetters),
  ]);
  return tableOf(['queue', 'ready', 'unacked', 'consumers', 'paused', 'oldest', 'dead letters'], rows);
}

async function readQueues({ RABBITMQ_URL: url, RABBITMQ_MANAGEMENT_URL: managementUrl, BUS_HEARTBEAT_S: heartbeatS }: Config) {
  const status = new RabbitQueueStatus({ url, managementUrl, app: 'cli', heartbeatS, logger: createLogger('cli', 'silent') });
  await status.start();
  try {
    const [items, gauges] = await Promise.all([status.read(), consumerGauges()]);
    return items.map((item) => {
      const paused = gauges.get(`consumer_paused ${item.name}`);
      return {
        ...item,
        paused: paused === undefined ? item.paused : paused === 1,
        oldestAgeSeconds:
          item.ready === 0 ? item.oldestAgeSeconds : (gauges.get(`queue_oldest_age_seconds ${item.name}`) ?? item.oldestAgeSeconds),
      };
    });
  } finally {
    await status.stop();
  }
}

const METRICS_TIMEOUT_MS = 2_000;
const GAUGE = /^(consumer_paused|queue_oldest_age_seconds)\{queue="([^"]+)"\} (\S+)$/gm;

/** By metric and queue. A process that does not answer is a process of which nothing is known. */
async function consumerGauges(): Promise<Map<string, number>> {
  const services = (await runningStack())?.services ?? [];
  const texts = await Promise.all(
    services.map(async ({ url }) => {
      const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(METRICS_TIMEOUT_MS) }).catch(() => undefined);
      return answer?.ok === true ? answer.text() : '';
    }),
  );
  const lines = texts.flatMap((text) => [...text.matchAll(GAUGE)]);
  return new Map(lines.map(([, metric, queue, value]) => [`${metric} ${queue}`, Number(value)]));
}

const shown = (count: number | null): string => (count === null ? '?' : String(count));
