import type { QueueStatusPort } from './queue-status.port.js';

/** For seconds after its restart a broker says that its quorum queues are empty although their messages are there (measured on 3.10: 2 s). */
const DISTRUST_MS = 10_000;

/** How full the fullest work queue is. Depth unknown is not zero: while one queue cannot be read, nothing is said. */
export class QueueFill {
  private wasUnknown = false;
  private trustedFrom = 0;

  /** @param capacityOf how many messages a queue takes before it refuses more. */
  constructor(
    private readonly queues: QueueStatusPort,
    private readonly capacityOf: (queue: string) => number,
  ) {}

  /** 0 to 1, a little above when it overflowed; undefined when it is not known, and for 10 s after it was not. Never rejects. */
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
