import type { MessageId } from '#lib/contracts/ids';
import { type MessageSignal, MessageSignalsPort, replacesSignal } from '../message-signals.port.js';

/** Signals of messages in this process' memory: for the embedded mode and unit tests. */
export class MemoryMessageSignals extends MessageSignalsPort {
  private readonly rows = new Map<MessageId, MessageSignal>();

  async of(messageIds: readonly MessageId[]): Promise<Map<MessageId, MessageSignal>> {
    const found = new Map<MessageId, MessageSignal>();
    for (const id of messageIds) {
      const row = this.rows.get(id);
      if (row !== undefined) found.set(id, row);
    }
    return found;
  }

  async firstRecorded(): Promise<MessageId | undefined> {
    const first = [...this.rows.values()].filter(({ version }) => version === 1).map(({ messageId }) => messageId);
    return first.sort()[0];
  }

  async record(signals: readonly MessageSignal[]): Promise<void> {
    for (const signal of signals) if (replacesSignal(signal, this.rows.get(signal.messageId))) this.rows.set(signal.messageId, signal);
  }
}
