import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { type EndedConversationId, newId, type UserId } from '#lib/contracts/ids';
import type { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import {
  type ConversationEndDraft,
  type ConversationEndRecord,
  ConversationEndStorePort,
  type EndedConversation,
  type StoredEnd,
} from '../conversation-end-store.port.js';
import { canBeOurs, endedEvent, eventIdOf, type Found, requireEndable, unendedHash } from '../end-facts.js';
import { logKeyOf } from '../log-key.js';

/** How a conversation of Parley stands for a user; undefined = there is none of this id. */
export type FindConversation = (conversationId: EndedConversationId, userId: UserId) => Found | undefined;

interface Row {
  end: ConversationEndRecord;
  readonly bodyHash: string;
  readonly throughSeq: number | undefined;
  body: Buffer | undefined;
}

/** Ends in memory: for the embedded mode and unit tests. */
export class MemoryConversationEndStore extends ConversationEndStorePort {
  private readonly rows = new Map<string, Row>();

  constructor(
    private readonly outbox: Pick<MemoryOutbox, 'add'>,
    private readonly conversation: FindConversation,
  ) {
    super();
  }

  async end(draft: ConversationEndDraft): Promise<StoredEnd> {
    const { conversationId, userId, bodyHash, log } = draft;
    const before = this.of(draft).find((row) => row.bodyHash === bodyHash);
    if (before !== undefined) return { end: before.end };
    const found = this.found(draft);
    requireEndable(draft, canBeOurs(conversationId), found);
    const unsaved = this.unsaved(draft);
    const end: ConversationEndRecord = {
      ...unsaved,
      startTime: draft.startTime,
      endTime: draft.endTime,
      messages: log === undefined ? this.unendedRange(draft) : undefined,
      log: log === undefined ? undefined : { state: 'staged', objectKey: logKeyOf(userId, unsaved.id), bytes: log.length },
    };
    return this.insert(
      { end, bodyHash, throughSeq: found?.headSeq, body: log === undefined ? undefined : Buffer.from(log) },
      draft.headers,
    );
  }

  async endUnended(conversation: EndedConversation, headers?: EventHeaders): Promise<StoredEnd | undefined> {
    const end = this.unended(conversation);
    if (end === undefined || this.rows.has(end.id)) return end === undefined ? undefined : { end };
    const throughSeq = end.messages?.throughSeq ?? 0;
    return this.insert({ end, bodyHash: unendedHash(throughSeq), throughSeq, body: undefined }, headers);
  }

  async preview(conversation: EndedConversation): Promise<ConversationEndRecord | undefined> {
    return this.unended(conversation);
  }

  async find(id: string): Promise<ConversationEndRecord | undefined> {
    return this.rows.get(id)?.end;
  }

  async latestOf(conversation: EndedConversation): Promise<ConversationEndRecord | undefined> {
    return this.of(conversation).at(-1)?.end;
  }

  async usersOf(conversationId: EndedConversationId): Promise<UserId[]> {
    const ends = [...this.rows.values()].filter(({ end }) => end.conversationId === conversationId);
    return [...new Set(ends.map(({ end }) => end.userId))].slice(0, 2);
  }

  async ofUser(userId: UserId, limit: number, after = ''): Promise<ConversationEndRecord[]> {
    const own = [...this.rows.values()].map(({ end }) => end).filter((end) => end.userId === userId && end.id > after);
    return own.sort((one, other) => (one.id < other.id ? -1 : 1)).slice(0, limit);
  }

  async stagedLog(id: string): Promise<Buffer | undefined> {
    return this.rows.get(id)?.body;
  }

  async logStored(id: string): Promise<boolean> {
    const row = this.rows.get(id);
    if (row === undefined) return false;
    row.body = undefined;
    if (row.end.log !== undefined) row.end = { ...row.end, log: { ...row.end.log, state: 'stored' } };
    return true;
  }

  /** Whether an end is there. */
  has(id: string): boolean {
    return this.rows.has(id);
  }

  async removeOf(userId: UserId, limit: number): Promise<number> {
    const ids = [...this.rows.values()].filter(({ end }) => end.userId === userId).slice(0, limit);
    for (const { end } of ids) this.rows.delete(end.id);
    return ids.length;
  }

  private unended(conversation: EndedConversation): ConversationEndRecord | undefined {
    if (this.found(conversation)?.isMember === false) return undefined;
    const messages = this.unendedRange(conversation);
    if (messages === undefined || messages.fromSeq > messages.throughSeq) return this.of(conversation).at(-1)?.end;
    const now = new Date();
    return { ...this.unsaved(conversation), startTime: now, endTime: now, messages };
  }

  /** Oldest first. */
  private of({ conversationId, userId }: EndedConversation): Row[] {
    return [...this.rows.values()].filter(({ end }) => end.userId === userId && end.conversationId === conversationId);
  }

  private found({ conversationId, userId }: EndedConversation): Found | undefined {
    return canBeOurs(conversationId) ? this.conversation(conversationId, userId) : undefined;
  }

  private unendedRange(conversation: EndedConversation): ConversationEndRecord['messages'] {
    const found = this.found(conversation);
    if (found === undefined) return undefined;
    const before = Math.max(0, ...this.of(conversation).map(({ throughSeq }) => throughSeq ?? 0));
    return { fromSeq: before + 1, throughSeq: found.headSeq };
  }

  private unsaved({ conversationId, userId }: EndedConversation) {
    const id = newId();
    const now = new Date();
    const isFirst = this.of({ conversationId, userId }).length === 0;
    return { id, eventId: eventIdOf(id, isFirst, now), conversationId, userId, createdAt: now, log: undefined };
  }

  private insert(row: Row, headers: EventHeaders = {}): StoredEnd {
    const event = endedEvent(row.end);
    this.rows.set(row.end.id, row);
    this.outbox.add(event, headers);
    return { end: row.end, event };
  }
}
