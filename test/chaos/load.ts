import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ParleySocket } from '#client/parley-socket';
import { MessageView } from '#lib/contracts/http';
import { Problem } from '#lib/contracts/problems';
import { exponential } from '#lib/runtime/work/backoff';
import type { Answer, ParleyClient } from '#lib/testing/parley-client';
import { type JournalChange, type JournalEntry, mayBe, SendJournal } from '#lib/testing/send-journal';

/** One request to store, edit or delete a message. Times of `performance.now()` and milliseconds; `status` 0 = no answer. */
export interface Attempt {
  readonly at: number;
  readonly ms: number;
  readonly status: number;
  /** Of the problem document, when it was refused. */
  readonly code?: string;
}

/** Who sends where, and how often. */
export interface PacedLoadOptions {
  readonly clients: readonly ParleyClient[];
  readonly conversationIds: readonly string[];
  readonly random: () => number;
  /** Edits and deletions that follow on a message that was sent, on average. */
  readonly editsPerMessage?: number;
  readonly deletionsPerMessage?: number;
  /** The sockets of the same users, by the place of their client in `clients`: every third message goes over one. */
  readonly sockets?: readonly Pick<ParleySocket, 'send'>[];
  /** Hears of each message that its sender has an answer for. */
  readonly onAcknowledged?: (messageId: string) => void;
}

/** Of what a chat is: some messages are corrected, few are taken back. */
const EDITS_PER_MESSAGE = 0.2;
const DELETIONS_PER_MESSAGE = 0.05;
/** Messages of a user among which the next one to change is chosen: the newest, which an indexer may have in hand. */
const RECENT = 2;

/** One of so many messages goes over the socket of its user. */
const SOCKET_EVERY = 3;
/** Until the client gives up a message, which is then tried again. */
const SOCKET_ACK_WITHIN_MS = 10_000;

const TICK_MS = 10;
/** Pause before the next try: doubled after each, and never shorter than what Parley asks for. At once again, refused clients would be a load of their own. */
const RETRY = { baseMs: 250, capMs: 8_000 };

/**
 * Sends at a steady rate, however long the answers take (open loop: a Parley that is slow gets no relief), each message with a key of its
 * own and tried until it is acknowledged, as a good client does. In between it edits and deletes what it sent a moment ago, one change of a
 * message after the other.
 */
export class PacedLoad {
  readonly journal = new SendJournal();
  /** Of the sends over REST. */
  readonly attempts: Attempt[] = [];
  /** Of the edits and deletions. */
  readonly changeAttempts: Attempt[] = [];
  private readonly recentOf = new Map<ParleyClient, JournalEntry[]>();
  private readonly open = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly changing = new Set<ParleyClient>();
  private isPacing = true;
  private readonly pacing: Promise<void>;
  private rate = 0;

  /** It sends nothing before {@link setRate}. */
  constructor(private readonly options: PacedLoadOptions) {
    this.pacing = this.pace();
  }

  /** Messages that are sent in a second. */
  get perSecond(): number {
    return this.rate;
  }

  /** From now on so many messages are sent in a second. */
  setRate(perSecond: number): void {
    this.rate = perSecond;
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

  changesBetween(from: number, to: number): Attempt[] {
    return this.changeAttempts.filter(({ at }) => at >= from && at < to);
  }

  private async pace(): Promise<void> {
    const { random, editsPerMessage = EDITS_PER_MESSAGE, deletionsPerMessage = DELETIONS_PER_MESSAGE } = this.options;
    let [due, before] = [0, performance.now()];
    for (let sent = 0; this.isPacing; ) {
      const now = performance.now();
      due += ((now - before) / 1_000) * this.rate;
      before = now;
      for (; sent + 1 <= due; sent += 1) {
        this.keep(this.send(sent));
        if (random() < editsPerMessage) this.keep(this.change(sent, `sửa ${sent}: ${words(random)}`));
        if (random() < deletionsPerMessage) this.keep(this.change(sent, null));
      }
      await sleep(TICK_MS);
    }
  }

  private keep(work: Promise<void>): void {
    this.open.add(work);
    void work.finally(() => this.open.delete(work));
  }

  private async send(number: number): Promise<void> {
    const { conversationIds, random } = this.options;
    const client = this.clientOf(number);
    const conversationId = conversationIds[Math.floor(random() * conversationIds.length)];
    if (conversationId === undefined) throw new Error('there is nowhere to send to');
    const entry: JournalEntry = { key: randomUUID(), conversationId, content: `số ${number}: ${words(random)}`, changes: [] };
    this.journal.entries.push(entry);
    const startedAt = performance.now();
    const socket = number % SOCKET_EVERY === 0 ? this.options.sockets?.[number % this.options.clients.length] : undefined;
    await this.untilDone(() => (socket === undefined ? this.trySend(client, entry) : this.trySocket(socket, entry)));
    if (entry.acknowledged === undefined) return;
    this.options.onAcknowledged?.(entry.acknowledged.id);
    entry.ackMs = performance.now() - startedAt;
    this.recentOf.set(client, [...(this.recentOf.get(client) ?? []), entry].slice(-RECENT));
  }

  /** Edits (or with null deletes) one of the newest messages of a user, which changes one at a time. */
  private async change(number: number, content: string | null): Promise<void> {
    const client = this.clientOf(number);
    if (this.changing.has(client)) return;
    const free = (this.recentOf.get(client) ?? []).filter((entry) => {
      const states = mayBe(entry);
      return states.length === 1 && states[0] !== null;
    });
    const entry = free[Math.floor(this.options.random() * free.length)];
    if (entry?.changes === undefined || entry.acknowledged === undefined) return;
    const { id } = entry.acknowledged;
    const change: JournalChange = { content, askedAt: performance.now() };
    entry.changes.push(change);
    this.changing.add(client);
    await this.untilDone(() => this.tryChange(client, id, change));
    this.changing.delete(client);
  }

  private clientOf(number: number): ParleyClient {
    const { clients } = this.options;
    const client = clients[number % clients.length];
    if (client === undefined) throw new Error('there is no client to send');
    return client;
  }

  /** Tries until `tryOnce` says that it need not wait any longer, or the load is to end. */
  private async untilDone(tryOnce: () => Promise<number | undefined>): Promise<void> {
    for (let tries = 1; !this.stopping.signal.aborted; tries += 1) {
      const askedMs = await tryOnce();
      if (askedMs === undefined) return;
      const waitMs = Math.max(askedMs, exponential(tries, RETRY));
      // Jitter: those that were refused together must not come back together.
      await sleep(waitMs * (0.5 + this.options.random()), undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** @returns undefined when it is acknowledged, else how long Parley asks to wait before the next try. */
  private async trySend(client: ParleyClient, entry: JournalEntry): Promise<number | undefined> {
    const { key, conversationId, content } = entry;
    const at = performance.now();
    const path = `/v1/conversations/${conversationId}/messages`;
    const answer = await client.request('POST', path, { content }, { 'idempotency-key': key }).catch(() => undefined);
    this.attempts.push({ at, ms: performance.now() - at, status: answer?.status ?? 0, ...codeOf(answer) });
    if (answer?.status === 202) {
      const { id, seq } = MessageView.parse(answer.body);
      entry.acknowledged = { id, seq };
      return undefined;
    }
    entry.wasInDoubt = true;
    return waitAfter(answer);
  }

  /** The client itself repeats what may be accepted later; its error says that it gave up. */
  private async trySocket(socket: Pick<ParleySocket, 'send'>, entry: JournalEntry): Promise<number | undefined> {
    const { key, conversationId, content } = entry;
    const options = { clientMessageId: key, timeoutMs: SOCKET_ACK_WITHIN_MS };
    const acknowledged = await socket.send(conversationId, content, options).catch(() => undefined);
    if (acknowledged === undefined) {
      entry.wasInDoubt = true;
      return 0;
    }
    entry.acknowledged = { id: acknowledged.id, seq: acknowledged.seq };
    return undefined;
  }

  private async tryChange(client: ParleyClient, id: string, change: JournalChange): Promise<number | undefined> {
    const { content } = change;
    const at = performance.now();
    const asking =
      content === null ? client.request('DELETE', `/v1/messages/${id}`) : client.request('PATCH', `/v1/messages/${id}`, { content });
    const answer = await asking.catch(() => undefined);
    const status = answer?.status ?? 0;
    this.changeAttempts.push({ at, ms: performance.now() - at, status, ...codeOf(answer) });
    if (status !== 200 && status !== 204) return waitAfter(answer);
    change.acknowledgedAt = performance.now();
    return undefined;
  }
}

function waitAfter(answer: Answer | undefined): number {
  return Number(answer?.headers.get('retry-after') ?? 0) * 1_000;
}

function codeOf(answer: Answer | undefined): { code?: string } {
  if (answer === undefined || answer.status < 400) return {};
  const problem = Problem.safeParse(answer.body);
  return problem.success ? { code: problem.data.code } : {};
}

const VOCABULARY = 'trà cà phê đồi chè tea coffee morning meeting rain mountain bicycle market noodle letter window garden'.split(' ');

const words = (random: () => number): string =>
  Array.from({ length: 8 }, () => VOCABULARY[Math.floor(random() * VOCABULARY.length)] ?? '').join(' ');
