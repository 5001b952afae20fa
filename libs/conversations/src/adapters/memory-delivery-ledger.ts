import type { MessageId } from '#lib/contracts/ids';
import { type DeliveryEntry, DeliveryLedgerPort, replacesDelivery } from '../delivery-ledger.port.js';

/** The ledger of deliveries in this process' memory: for the embedded mode and unit tests. */
export class MemoryDeliveryLedger extends DeliveryLedgerPort {
  private readonly entries = new Map<MessageId, DeliveryEntry>();

  async entriesOf(messageIds: readonly MessageId[]): Promise<Map<MessageId, DeliveryEntry>> {
    const found = new Map<MessageId, DeliveryEntry>();
    for (const id of messageIds) {
      const entry = this.entries.get(id);
      if (entry !== undefined) found.set(id, entry);
    }
    return found;
  }

  async firstRecorded(): Promise<MessageId | undefined> {
    const first = [...this.entries.values()].filter(({ version }) => version === 1).map(({ messageId }) => messageId);
    return first.sort()[0];
  }

  async record(entries: readonly DeliveryEntry[]): Promise<void> {
    for (const entry of entries) if (replacesDelivery(entry, this.entries.get(entry.messageId))) this.entries.set(entry.messageId, entry);
  }
}
