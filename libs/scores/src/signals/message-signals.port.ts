import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { Emotion } from '#lib/contracts/scores';
import type { Language } from './language.js';

/** What one version of a message was found to say. */
interface StoredSignals {
  readonly language: Language;
  readonly isQuestion: boolean;
  readonly emotion: Emotion;
  /** UTF-16 units. */
  readonly length: number;
}

/** What is known of one version of a message. */
export interface MessageSignal {
  readonly messageId: MessageId;
  readonly version: number;
  readonly conversationId: ConversationId;
  readonly userId: UserId;
  readonly seq: number;
  /** `removed`: the message is deleted, and its signals are with it. `failed`: the event of this version is a dead letter. */
  readonly state: 'scored' | 'removed' | 'failed';
  /** Of a scored one. */
  readonly signals: StoredSignals | undefined;
}

/** How far the scoring of a message is. */
export type ScoringEntry = Pick<MessageSignal, 'messageId' | 'version' | 'state'>;

/** Postgres' record of the signals of messages: one row per message, of its newest version. */
export abstract class MessageSignalsPort {
  /** The rows of these messages; messages without one are missing. @throws DependencyError. */
  abstract of(messageIds: readonly MessageId[]): Promise<Map<MessageId, MessageSignal>>;
  /**
   * The lowest id of which version 1 stands, undefined when there is none. Ids are ordered by time (UUIDv7), so a message below it without a row
   * was stored before there was a scoring service: it gets none. @throws DependencyError.
   */
  abstract firstRecorded(): Promise<MessageId | undefined>;
  /** Writes rows; none replaces that of a newer version, and `failed` nothing of the same version. @throws DependencyError. */
  abstract record(signals: readonly MessageSignal[]): Promise<void>;
}

/** Whether `signal` may take the place of `held`: the rule of {@link MessageSignalsPort.record}. */
export const replacesSignal = (signal: ScoringEntry, held: ScoringEntry | undefined): boolean => {
  if (held === undefined || signal.version > held.version) return true;
  return signal.version === held.version && signal.state !== 'failed' && held.state === 'failed';
};

/** One row per message: of several in one call, the one that would stand after writing them one after another. */
export const standingSignals = (signals: readonly MessageSignal[]): MessageSignal[] => {
  const standing = new Map<MessageId, MessageSignal>();
  for (const signal of signals) if (replacesSignal(signal, standing.get(signal.messageId))) standing.set(signal.messageId, signal);
  return [...standing.values()];
};
