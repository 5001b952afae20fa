import type { ConversationSignal, MessageSignal } from '#lib/contracts/live';

/** Signals that are about a member and no message. */
export type MemberSignal = Extract<ConversationSignal, { type: 'receipt' | 'presence' }>;
/** Signals that wait for their turn. */
export type HeldSignal = MessageSignal | MemberSignal;

/** More are not kept: what is missing is read from Postgres. Of ordinary messages, more than a conversation has in a second. */
const MAX_SIGNALS = 256;
const MAX_CHARACTERS = 1_000_000;

const seqOf = (signal: HeldSignal): number => (signal.type === 'message' ? signal.seq : 0);

/** Signals of one conversation that cannot be sent yet. Bounded: beyond that it only knows that they were there. */
export class HeldSignals {
  private signals: HeldSignal[] = [];
  private characters = 0;
  /** Newest message of which it has heard. */
  newestSeq = 0;
  /** Whether some were let go, changes among them. */
  hasOverflown = false;

  get isEmpty(): boolean {
    return this.signals.length === 0;
  }

  add(signal: HeldSignal): void {
    this.newestSeq = Math.max(this.newestSeq, seqOf(signal));
    this.characters += signal.type === 'message' ? signal.frame.length : 0;
    if (this.signals.length < MAX_SIGNALS && this.characters <= MAX_CHARACTERS) {
      this.signals.push(signal);
      return;
    }
    this.hasOverflown = true;
    this.signals = [];
    this.characters = 0;
  }

  /** Takes all out: those about members first, as they came, then by `seq`, those of one message as they came. */
  take(): HeldSignal[] {
    const taken = this.signals.sort((one, other) => seqOf(one) - seqOf(other));
    this.signals = [];
    this.characters = 0;
    return taken;
  }
}
