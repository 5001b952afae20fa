import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageView } from '#lib/contracts/http';
import { type ParleyClient, persistently } from './parley-client.js';

/** One edit or deletion as its sender remembers it. Times of `performance.now()`. */
export interface JournalChange {
  /** The new text; null: deleted. */
  readonly content: string | null;
  readonly askedAt: number;
  acknowledgedAt?: number;
}

/** One message as its sender remembers it: what it wanted, and what Parley acknowledged. */
export interface JournalEntry {
  readonly key: string;
  readonly conversationId: string;
  /** As it was sent. */
  readonly content: string;
  /** What its sender changed afterwards, one after the other: only the last one may be unanswered. */
  readonly changes?: JournalChange[];
  /** Undefined as long as no 202 has come. */
  acknowledged?: Pick<MessageView, 'id' | 'seq'>;
  /** From the first try to the 202, in milliseconds. */
  ackMs?: number;
  /** A try ended without a 202 and may have been stored all the same: refused too late, timed out, connection broken. */
  wasInDoubt?: boolean;
}

/**
 * What a message may be at `at` (default: now): what was last acknowledged, and what was asked for since. Both, while an answer is missing: a
 * change that was not acknowledged may have happened all the same.
 */
export function mayBe({ content, changes = [] }: JournalEntry, at = Number.POSITIVE_INFINITY): (string | null)[] {
  const states: (string | null)[] = [content];
  for (const change of changes) {
    if ((change.acknowledgedAt ?? Number.POSITIVE_INFINITY) < at) states.length = 0;
    states.push(change.content);
  }
  return states;
}

/** What the clients of a test know: the only witness of what was acknowledged. */
export class SendJournal {
  readonly entries: JournalEntry[] = [];

  get acknowledged(): readonly JournalEntry[] {
    return this.entries.filter(({ acknowledged }) => acknowledged !== undefined);
  }

  /** Sends with a key of its own, again and again with the same one while Parley is away, and writes down what became of it. */
  async send(client: ParleyClient, conversationId: string, content: string, { timeoutMs = 60_000 } = {}): Promise<void> {
    const entry: JournalEntry = { key: randomUUID(), conversationId, content };
    this.entries.push(entry);
    const startedAt = performance.now();
    const { id, seq } = await persistently(() => client.send(conversationId, content, entry.key), { timeoutMs });
    entry.acknowledged = { id, seq };
    entry.ackMs = performance.now() - startedAt;
  }
}

/** Keeps sending until it is told to stop: each client one message at a time, a pause after each. */
export class SteadyLoad {
  private readonly journal: SendJournal;
  private isStopping = false;
  private readonly running: Promise<unknown>;

  constructor(options: {
    journal: SendJournal;
    clients: readonly ParleyClient[];
    conversationIds: readonly string[];
    /** Between two messages of one client, in milliseconds. */
    pauseMs: number;
  }) {
    this.journal = options.journal;
    this.running = Promise.all(options.clients.map((client, i) => this.keepSending(client, i, options)));
    this.running.catch(() => undefined); // comes out in stop()
  }

  /** Resolves when every message under way is acknowledged. @throws what a sender met that was final. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
  }

  private async keepSending(
    client: ParleyClient,
    number: number,
    { conversationIds, pauseMs }: { conversationIds: readonly string[]; pauseMs: number },
  ): Promise<void> {
    for (let turn = 0; !this.isStopping; turn++) {
      const conversationId = conversationIds[(number + turn) % conversationIds.length];
      if (conversationId === undefined) throw new Error('there is no conversation to send to');
      await this.journal.send(client, conversationId, `message ${turn} of sender ${number}, về cà phê và đồi chè`);
      await sleep(pauseMs);
    }
  }
}
