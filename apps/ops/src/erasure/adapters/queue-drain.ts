import type { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import type { QueueView } from '#lib/contracts/http';
import type { OutboxPort } from '#lib/database/outbox/outbox.port';
import { DrainPort } from '../drain.port.js';

/** Where the erasures themselves wait. */
const OWN = 'ops.erasures';

/** What queues and outbox hold, by the age of the oldest event in each. */
export class QueueDrain extends DrainPort {
  constructor(
    private readonly queues: Pick<QueueWatch, 'read'>,
    private readonly outbox: Pick<OutboxPort, 'depth'>,
  ) {
    super();
  }

  async holding(time: Date): Promise<string[]> {
    const [{ items }, { pending, oldestAgeSeconds }] = await Promise.all([this.queues.read(), this.outbox.depth()]);
    const seconds = (Date.now() - time.getTime()) / 1_000;
    const queues = items.filter((queue) => queue.name !== OWN && !hasPassed(queue, seconds)).map(({ name }) => name);
    return pending > 0 && oldestAgeSeconds >= seconds ? ['outbox', ...queues] : queues;
  }
}

/** An age counts while consumers hold events only: of a queue that nothing consumes it begins when this process first looks. */
const hasPassed = ({ ready, paused, consumers, oldestAgeSeconds }: QueueView, seconds: number): boolean => {
  if (ready === null || oldestAgeSeconds === null) return false;
  if (ready === 0 && oldestAgeSeconds === 0) return true;
  return paused === false && (consumers ?? 0) > 0 && oldestAgeSeconds < seconds;
};
