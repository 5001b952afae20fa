import type { Message } from '#client/frames';
import type { ConversationList, ConversationSummary, ConversationView } from '#lib/contracts/http';
import { type Api, isAborted, isPassing } from '../../shared/api.js';
import { Coalesced } from '../../shared/coalesced.js';
import { storeOf } from '../../shared/store.js';

/** A conversation in the list. */
export type Summary = Pick<ConversationSummary, 'id' | 'title' | 'memberIds' | 'headSeq' | 'readSeq' | 'unread'> & {
  readonly lastMessage: Message | null;
};

/** Conversations of one page. Older ones come when they are asked for, or with their next message. */
const PAGE = 100;
const FRAME_MS = 16;
/** Conversations that this page hears of for the first time within this time cost one request together. */
const REFRESH_AFTER_MS = 300;
/** Before the next try of a list that could not be read. */
const RETRY_AFTER_MS = 5_000;

/** The conversations of the user as far as they are loaded, the newest activity first, with what is unread in each. */
export class Summaries {
  readonly shown = storeOf<readonly Summary[] | undefined>(undefined);
  /** Why there is no list; undefined as soon as there is one. */
  readonly error = storeOf<unknown>(undefined);
  /** Whether there are older ones than those that are loaded. */
  readonly hasOlder = storeOf(false);

  private readonly known = new Map<string, Summary>();
  private readonly ending = new AbortController();
  private readonly drawing = new Coalesced(FRAME_MS, () => this.shown.set([...this.known.values()].sort(newestFirst)));
  private readonly refreshing = new Coalesced(REFRESH_AFTER_MS, () => void this.refresh());
  private readonly retrying = new Coalesced(RETRY_AFTER_MS, () => void this.load());
  private loading: Promise<void> | undefined;
  private older: string | null | undefined;

  /** @param onNew told of each conversation that was not known before. */
  constructor(
    private readonly api: Api,
    private readonly onNew: (summary: Summary) => void,
  ) {}

  /** Reads the newest ones; with those that ask while it is under way. */
  load(): Promise<void> {
    this.loading ??= this.readNewest().finally(() => (this.loading = undefined));
    return this.loading;
  }

  /** Reads them from now on: after a break, since what began meanwhile is told by no frame. */
  async refresh(): Promise<void> {
    await this.loading;
    await this.load();
  }

  private async readNewest(): Promise<void> {
    try {
      const { items, nextCursor } = await this.page();
      for (const item of items) this.take(item);
      if (this.older === undefined) this.setOlder(nextCursor);
      this.error.set(undefined);
      this.drawing.ask();
    } catch (error) {
      if (isAborted(error)) return;
      // A list that is there stays; what it lacks comes with the next try.
      if (this.known.size === 0) this.error.set(error);
      if (isPassing(error)) this.retrying.ask();
    }
  }

  /** @throws ApiError */
  async loadOlder(): Promise<void> {
    if (typeof this.older !== 'string') return;
    const { items, nextCursor } = await this.page(this.older);
    for (const item of items) this.take(item);
    this.setOlder(nextCursor);
    this.drawing.ask();
  }

  private page(cursor?: string): Promise<ConversationList> {
    const after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    return this.api.ask<ConversationList>(`./v1/conversations?limit=${PAGE}${after}`, { signal: this.ending.signal });
  }

  private setOlder(cursor: string | null): void {
    this.older = cursor;
    this.hasOlder.set(cursor !== null);
  }

  of(id: string): Summary | undefined {
    return this.known.get(id);
  }

  /** The members of the newest ones, each once. */
  members(most: number): string[] {
    const newest = [...this.known.values()].sort(newestFirst).slice(0, most);
    return [...new Set(newest.flatMap(({ memberIds }) => memberIds.slice(0, 20)))];
  }

  /** What the server says of one conversation; `lastMessage`: where it is known. */
  takeView({ id, title, memberIds, headSeq }: ConversationView, lastMessage: Message | null = null): void {
    const before = this.known.get(id);
    this.take(
      before === undefined ? { id, title, memberIds, headSeq, readSeq: 0, unread: 0, lastMessage } : { ...before, title, memberIds },
    );
    this.drawing.ask();
  }

  private take(item: Summary): void {
    const before = this.known.get(item.id);
    this.known.set(item.id, before === undefined ? item : newerOf(before, item));
    if (before === undefined) this.onNew(item);
  }

  /** A message that came live. One of a conversation that is not known makes the list be read again: it stands at its top. */
  arrived(message: Message, isOwn: boolean): void {
    const before = this.known.get(message.conversationId);
    if (before === undefined) return this.refreshing.ask();
    // An answer that came before its frame has counted it.
    if (message.seq <= before.headSeq) {
      if (message.seq >= (before.lastMessage?.seq ?? 0)) this.put({ ...before, lastMessage: message });
      return;
    }
    const isUnread = !isOwn && message.deletedAt === undefined && message.seq > before.readSeq;
    this.put({ ...before, headSeq: message.seq, lastMessage: message, unread: before.unread + (isUnread ? 1 : 0) });
  }

  changed(message: Message): void {
    const before = this.known.get(message.conversationId);
    if (before?.lastMessage?.id === message.id) this.put({ ...before, lastMessage: message });
  }

  /** @returns whether that is more than was known to be read. */
  read(id: string, seq: number): boolean {
    const before = this.known.get(id);
    if (before === undefined || (seq <= before.readSeq && (before.unread === 0 || seq < before.headSeq))) return false;
    this.put({ ...before, readSeq: Math.max(seq, before.readSeq), unread: seq >= before.headSeq ? 0 : before.unread });
    return true;
  }

  remove(id: string): void {
    this.known.delete(id);
    this.drawing.ask();
  }

  private put(summary: Summary): void {
    this.known.set(summary.id, summary);
    this.drawing.ask();
  }

  end(): void {
    this.ending.abort();
    for (const work of [this.drawing, this.refreshing, this.retrying]) work.end();
  }
}

/** What came live may be newer than an answer that was on its way, and what was read here newer than the server knows. */
export function newerOf(before: Summary, item: Summary): Summary {
  const { title, memberIds } = item;
  if (before.headSeq > item.headSeq) return { ...before, title, memberIds };
  const readHere = Math.max(0, before.readSeq - item.readSeq);
  return { ...item, readSeq: item.readSeq + readHere, unread: Math.max(0, item.unread - readHere) };
}

// Ids are UUIDv7, so they are in the order of time; a conversation without a message stands where it was created.
const activity = ({ lastMessage, id }: Summary): string => lastMessage?.id ?? id;
const newestFirst = (one: Summary, other: Summary): number => (activity(one) < activity(other) ? 1 : -1);
