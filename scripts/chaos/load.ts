import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageView } from '#lib/contracts/http';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type JournalEntry, SendJournal } from '#lib/testing/send-journal';

/** One request to store a message. Times of `performance.now()` and milliseconds; `status` 0 = no answer. */
export interface Attempt {
  readonly at: number;
  readonly ms: number;
  readonly status: number;
}

/** Who sends where, and how often. */
export interface PacedLoadOptions {
  readonly clients: readonly ParleyClient[];
  readonly conversationIds: readonly string[];
  readonly perSecond: number;
  readonly random: () => number;
}

const TICK_MS = 10;
/** Pause before the next try when Parley was away and could not say how long to wait. */
const AWAY_PAUSE_MS = 250;

/**
 * Sends at a steady rate, however long the answers take (open loop: a Parley that is slow gets no relief), each message with a key of its
 * own and tried until it is acknowledged, as a good client does.
 */
export class PacedLoad {
  readonly journal = new SendJournal();
  readonly attempts: Attempt[] = [];
  private readonly open = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private isPacing = true;
  private readonly pacing: Promise<void>;

  constructor(private readonly options: PacedLoadOptions) {
    this.pacing = this.pace();
  }

  /** Sends nothing new, and resolves when all are acknowledged or `withinMs` have passed. */
  async stop(withinMs: number): Promise<void> {
    this.isPacing = false;
    await this.pacing;
    const timer = setTimeout(() => this.stopping.abort(), withinMs);
    await Promise.all(this.open);
    clearTimeout(timer);
  }

  /** Those that began in this span. */
  attemptsBetween(from: number, to: number): Attempt[] {
    return this.attempts.filter(({ at }) => at >= from && at < to);
  }

  private async pace(): Promise<void> {
    const startedAt = performance.now();
    for (let sent = 0; this.isPacing; ) {
      const due = Math.floor(((performance.now() - startedAt) / 1_000) * this.options.perSecond);
      for (; sent < due; sent += 1) {
        const sending = this.send(sent);
        this.open.add(sending);
        void sending.finally(() => this.open.delete(sending));
      }
      await sleep(TICK_MS);
    }
  }

  private async send(number: number): Promise<void> {
    const { clients, conversationIds, random } = this.options;
    const client = clients[number % clients.length];
    const conversationId = conversationIds[Math.floor(random() * conversationIds.length)];
    if (client === undefined || conversationId === undefined) throw new Error('there is nobody to send, or nowhere to send to');
    const entry: JournalEntry = { key: randomUUID(), conversationId, content: `số ${number}: ${words(random)}` };
    this.journal.entries.push(entry);
    const startedAt = performance.now();
    while (!this.stopping.signal.aborted) {
      const waitMs = await this.tryOnce(client, entry);
      if (waitMs === undefined) {
        entry.ackMs = performance.now() - startedAt;
        return;
      }
      // Jitter: whoever was refused together must not come back together.
      await sleep(waitMs * (0.5 + random()), undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** @returns undefined when it is acknowledged, else how long to wait before the next try. */
  private async tryOnce(client: ParleyClient, entry: JournalEntry): Promise<number | undefined> {
    const { key, conversationId, content } = entry;
    const at = performance.now();
    const path = `/v1/conversations/${conversationId}/messages`;
    const answer = await client.request('POST', path, { content }, { 'idempotency-key': key }).catch(() => undefined);
    this.attempts.push({ at, ms: performance.now() - at, status: answer?.status ?? 0 });
    if (answer?.status === 202) {
      const { id, seq } = MessageView.parse(answer.body);
      entry.acknowledged = { id, seq };
      return undefined;
    }
    entry.wasInDoubt = true;
    const seconds = Number(answer?.headers.get('retry-after'));
    return seconds > 0 ? seconds * 1_000 : AWAY_PAUSE_MS;
  }
}

const VOCABULARY = 'trà cà phê đồi chè tea coffee morning meeting rain mountain bicycle market noodle letter window garden'.split(' ');

const words = (random: () => number): string =>
  Array.from({ length: 8 }, () => VOCABULARY[Math.floor(random() * VOCABULARY.length)] ?? '').join(' ');
