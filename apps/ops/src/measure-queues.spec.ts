import { expect, it } from 'vitest';
import { QueueStatusPort } from '#lib/bus/queue-status.port';
import type { QueueStatus } from '#lib/contracts/http';
import { metrics } from '#lib/runtime/metrics';
import { MeasureQueues } from './measure-queues.js';

class ScriptedQueues extends QueueStatusPort {
  constructor(public status: QueueStatus) {
    super();
  }
  async read() {
    return [this.status];
  }
}

const aStatus = (known: Partial<QueueStatus>): QueueStatus => ({
  name: 'embedding.messages',
  ready: null,
  unacked: null,
  consumers: null,
  paused: null,
  oldestAgeSeconds: null,
  deadLetters: null,
  ...known,
});

const lengths = async () =>
  Object.fromEntries(
    (await metrics.queueLength.get()).values
      .filter(({ labels }) => String(labels['queue']).startsWith('embedding.messages')) // other files of this process count other queues
      .map(({ labels, value }) => [labels['queue'], value]),
  );

it('shows how many wait and how many are dead', async () => {
  await new MeasureQueues(new ScriptedQueues(aStatus({ ready: 7, deadLetters: 0 }))).execute();
  expect(await lengths()).toEqual({ 'embedding.messages': 7, 'embedding.messages.dlq': 0 });
});

it('shows nothing instead of an old number or 0 when nobody can tell', async () => {
  const queues = new ScriptedQueues(aStatus({ ready: 7, deadLetters: 1 }));
  const measureQueues = new MeasureQueues(queues);
  await measureQueues.execute();
  queues.status = aStatus({});
  await measureQueues.execute();
  expect(await lengths()).toEqual({});
});
