import type { QueueStatusPort } from './queue-status.port.js';

/** A restarted broker reports full quorum queues as empty for seconds (measured on 3.10: 2 s). */
const DISTRUST_MS = 10_000;

/** The fill ratio of the fullest work queue; unknown while one queue cannot be read. */
export class QueueFill {
  private wasUnknown = false;
  private trustedFrom = 0;

  /** @param capacityOf messages that a queue takes before it refuses more. */
  constructor(
    private readonly queues: QueueStatusPort,
    private readonly capacityOf: (queue: string) => number,
  ) {}

  /** 0 to 1, a little above on overflow; undefined while unknown and for 10 s after. Never rejects. */
  async read(now = performance.now()): Promise<number | undefined> {
    const ratios = (await this.queues.read()).map(({ name, ready }) => (ready === null ? undefined : ready / this.capacityOf(name)));
    const known = ratios.filter((ratio) => ratio !== undefined);
    if (known.length < ratios.length) {
      this.wasUnknown = true;
      return undefined;
    }
    if (this.wasUnknown) this.trustedFrom = now + DISTRUST_MS;
    this.wasUnknown = false;
    return now < this.trustedFrom ? undefined : Math.max(0, ...known);
  }
}
