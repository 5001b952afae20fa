import type { OutboxStatus, OutboxUnparked, OutboxUnparkOrder } from '#lib/contracts/admin';
import type { Logger } from '#lib/runtime/log/logger';
import type { OutboxPort } from './outbox.port.js';

const MAX_LISTED = 100;
const BATCH = 1_000;
/** So that one order ends: what is left, the next one takes. */
const MAX_BATCHES = 100;

/** What operators see of the outbox, and their way to have events tried again that were set aside. */
export class ParkedEvents {
  constructor(
    private readonly outbox: OutboxPort,
    private readonly logger: Logger,
  ) {}

  /** Measured now, with the oldest parked entries. @throws DependencyError. */
  async status(): Promise<OutboxStatus> {
    const [depth, parked] = [await this.outbox.depth(), await this.outbox.parked(MAX_LISTED)];
    const items = parked.map((entry) => ({ ...entry, createdAt: entry.createdAt.toISOString(), parkedAt: entry.parkedAt.toISOString() }));
    return { ...depth, items };
  }

  /** Makes parked entries due again, with all their tries. `by` stands in the audit line. @throws DependencyError. */
  async unpark({ ids }: OutboxUnparkOrder, by: string): Promise<OutboxUnparked> {
    const audit = { audit: 'outbox.unpark', by, ...(ids === undefined ? { all: true } : { ids }) };
    let unparked = 0;
    for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
      const count = await this.outbox.unpark(ids === undefined ? { reason: '' } : { eventIds: ids }, BATCH);
      unparked += count;
      if (count < BATCH) break;
    }
    this.logger.info({ ...audit, unparked }, 'outbox: parked entries are tried again');
    return { unparked };
  }
}
