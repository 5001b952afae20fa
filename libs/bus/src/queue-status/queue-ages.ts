/** After an unknown length, 0 is not believed for this long: a restarting broker reports 0 for seconds. */
const DISTRUST_MS = 10_000;

interface Known {
  /** Known time of its oldest message; undefined while it is empty. */
  since: number | undefined;
  wasUnknown: boolean;
  /** Milliseconds since the epoch; an earlier length of 0 is not believed. */
  trustedFrom: number;
}

/** One reading of a queue. */
export interface QueueReading {
  readonly queue: string;
  /** null = not known. */
  readonly ready: number | null;
  /** Time of the oldest message that its consumers hold, in milliseconds since the epoch; undefined when they hold none. */
  readonly oldestHeldAt: number | undefined;
}

/**
 * The age of the oldest message of each queue, which no broker tells. Derived from the messages that consumers hold, which are older than all
 * that wait; while none is held, from the last known time, or from the first reading that was not empty. So it rises while nothing consumes.
 */
export class QueueAges {
  private readonly queues = new Map<string, Known>();

  /** Seconds; 0 when the queue is empty, null when that is not known. */
  age({ queue, ready, oldestHeldAt }: QueueReading, now = Date.now()): number | null {
    const known = this.queues.get(queue) ?? { since: undefined, wasUnknown: false, trustedFrom: 0 };
    this.queues.set(queue, known);
    if (oldestHeldAt !== undefined) known.since = oldestHeldAt;
    else if (ready === null) {
      known.wasUnknown = true;
      return null;
    } else if (ready > 0) known.since ??= now;
    if (ready !== null && known.wasUnknown) {
      known.wasUnknown = false;
      known.trustedFrom = now + DISTRUST_MS;
    }
    const isEmpty = oldestHeldAt === undefined && ready === 0;
    if (isEmpty && now >= known.trustedFrom) known.since = undefined;
    return isEmpty || known.since === undefined ? 0 : Math.max(0, now - known.since) / 1_000;
  }

  /** Forgets all other queues. */
  keepOnly(queues: ReadonlySet<string>): void {
    for (const queue of this.queues.keys()) if (!queues.has(queue)) this.queues.delete(queue);
  }
}
