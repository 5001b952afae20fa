/** After it was not known how full a queue is, an empty one is believed this long later: a broker that restarts says 0 for seconds. */
const DISTRUST_MS = 10_000;

interface Known {
  /** When its oldest message happened, as far as it is known; undefined while it is empty. */
  since: number | undefined;
  wasUnknown: boolean;
  /** Milliseconds since the epoch; before it "empty" is not believed. */
  trustedFrom: number;
}

/** What a look at a queue shows. */
export interface QueueReading {
  readonly queue: string;
  /** null = not known. */
  readonly ready: number | null;
  /** When the oldest message that its consumers hold happened, in milliseconds since the epoch; undefined = they hold none, or are not there. */
  readonly oldestHeldAt: number | undefined;
}

/**
 * How old the oldest message of each queue is. No broker tells that, so it is derived: from what consumers hold, which came before all that
 * waits; and while nothing is held, from the last time that this was known, or from when the queue was first seen not to be empty. The age
 * therefore rises while nothing consumes, and is at least right about that.
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

  /** Forgets queues that are not there any more. */
  keepOnly(queues: ReadonlySet<string>): void {
    for (const queue of this.queues.keys()) if (!queues.has(queue)) this.queues.delete(queue);
  }
}
