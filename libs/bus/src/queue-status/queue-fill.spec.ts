import { expect, it } from 'vitest';
import type { QueueStatus } from '#lib/contracts/http';
import { QueueFill } from './queue-fill.js';
import { QueueStatusPort } from './queue-status.port.js';

/** Queue status as the test sets it. */
class SetQueueStatus extends QueueStatusPort {
  ready: Record<string, number | null> = {};

  async read(): Promise<QueueStatus[]> {
    return Object.entries(this.ready).map(([name, ready]) => ({
      name,
      ready,
      unacked: null,
      consumers: null,
      paused: null,
      oldestAgeSeconds: null,
      deadLetters: null,
    }));
  }
}

const fillOf = (ready: Record<string, number | null>) => {
  const status = new SetQueueStatus();
  status.ready = ready;
  return { status, fill: new QueueFill(status, (queue) => (queue === 'small' ? 10 : 1_000)) };
};

it('the fill is that of the fullest queue, each against its own capacity', async () => {
  const { fill } = fillOf({ small: 5, large: 100 });

  expect(await fill.read()).toBe(0.5);
});

it('the fill is unknown while one queue is', async () => {
  const { fill } = fillOf({ small: 5, large: null });

  expect(await fill.read()).toBeUndefined();
});

it('the fill is unknown for ten seconds after an outage: a restarted broker reports 0 first', async () => {
  const { status, fill } = fillOf({ small: 9 });
  expect(await fill.read(0)).toBe(0.9);

  status.ready = { small: null };
  expect(await fill.read(2_000)).toBeUndefined();
  status.ready = { small: 0 };
  expect(await fill.read(4_000)).toBeUndefined();
  expect(await fill.read(13_999)).toBeUndefined();
  status.ready = { small: 8 };

  expect(await fill.read(14_000)).toBe(0.8);
});

it('the fill is 0 when there are no queues', async () => {
  expect(await fillOf({}).fill.read()).toBe(0);
});
