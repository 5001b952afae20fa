import type { MessageId } from '#lib/contracts/ids';

/** What became of one version of a message on its way to the sockets of its members. */
export interface DeliveryEntry {
  readonly messageId: MessageId;
  readonly version: number;
  /** `failed`: its event is a dead letter. */
  readonly state: 'delivered' | 'failed';
}

/** Postgres' record of the versions that went out to sockets. */
export abstract class DeliveryLedgerPort {
  /** The entries of these messages; messages that never went out are missing. @throws DependencyError. */
  abstract entriesOf(messageIds: readonly MessageId[]): Promise<Map<MessageId, DeliveryEntry>>;
  /**
   * The lowest id of which version 1 stands, undefined when there is none. Ids are ordered by time (UUIDv7), so a message below it that has no entry
   * was stored before there was a delivery service: it never goes out. A later version does not count: an old message may be edited today.
   * @throws DependencyError.
   */
  abstract firstRecorded(): Promise<MessageId | undefined>;
  /** Writes entries; an entry never replaces one of a newer version, and `failed` never the same version's `delivered`. @throws DependencyError. */
  abstract record(entries: readonly DeliveryEntry[]): Promise<void>;
}

/** Whether `entry` may take the place of `held`: the rule of {@link DeliveryLedgerPort.record}. */
export const replacesDelivery = (entry: DeliveryEntry, held: DeliveryEntry | undefined): boolean => {
  if (held === undefined || entry.version > held.version) return true;
  return entry.version === held.version && entry.state === 'delivered';
};

/** One entry per message: of several in one call, the one that would stand after writing them one after another. */
export const standingDeliveries = (entries: readonly DeliveryEntry[]): DeliveryEntry[] => {
  const standing = new Map<MessageId, DeliveryEntry>();
  for (const entry of entries) if (replacesDelivery(entry, standing.get(entry.messageId))) standing.set(entry.messageId, entry);
  return [...standing.values()];
};
