import type { TypingFrame } from '#client/frames';
import type { Message } from '#client/frames';
import { ParleyError } from '#client/parley-error';
import { ParleySocket } from '#client/parley-socket';
import type { ConnectionState } from '#client/reconnecting-connection';
import type { ConversationList, ConversationSummary, ConversationView, MessageList, PresenceList } from '#lib/contracts/http';
import { type Api, ApiError, isAborted } from '../../shared/api.js';
import { storeOf } from '../../shared/store.js';
import {
  emptyTimeline,
  isAttached,
  isSettled,
  PAGE,
  type Pending,
  type Shown,
  withAcknowledged,
  withChanged,
  withFailed,
  withLive,
  withNewer,
  withOlder,
  withoutPending,
  withPage,
  withPending,
  withStage,
} from './timeline.js';

/** A conversation in the list. */
export type Summary = Pick<ConversationSummary, 'id' | 'title' | 'memberIds' | 'headSeq' | 'readSeq' | 'unread'> & {
  readonly lastMessage: Message | null;
};

/** The score of the user after the end of a conversation. */
export interface Scored {
  readonly conversationId: string;
  readonly scoreChange: number;
  readonly score: number;
  readonly level: 'stranger' | 'acquaintance' | 'friend';
  readonly degraded: boolean;
}

/** Conversations of one page, and pages that are loaded at the start: 500 conversations. Older ones come with their next message. */
const LIST_PAGE = 100;
const LIST_PAGES = 5;
/** A `typing` is passed on every 2 s at most. */
const TYPING_FOR_MS = 4_000;
/** A send is tried for so long, reconnecting included; its reader then decides. */
const SEND_FOR_MS = 600_000;
/** Pauses between two looks at what is still in the pipeline. Nothing tells a client that a message was scored. */
const LOOK_AFTER_MS = [600, 1_200, 2_500, 5_000, 10_000, 20_000];
/** Users that are asked for at once. */
const PRESENCE_PAGE = 100;
const NEW_TEXTS_EVERY_MS = 1_000;

/**
 * All that the room Chat knows, and what it does. Components follow its stores; whatever arrives within one frame of the screen is shown at
 * once, so that a burst of messages costs one rendering each 16 ms at most.
 */
export class Chat {
  readonly conversations = storeOf<readonly Summary[] | undefined>(undefined);
  readonly listError = storeOf<unknown>(undefined);
  readonly open = storeOf<Shown | undefined>(undefined);
  readonly connection = storeOf<ConnectionState>({ state: 'idle' });
  readonly online = storeOf<ReadonlySet<string>>(new Set());
  /** Until when each member of the open conversation types, in milliseconds since 1970. */
  readonly typing = storeOf<ReadonlyMap<string, number>>(new Map());
  /** How far members of the open conversation have read, as far as this page has heard. */
  readonly readBy = storeOf<ReadonlyMap<string, number>>(new Map());
  readonly scored = storeOf<Scored | undefined>(undefined);
  /** The newest message of others, for readers of the screen: at most one each second. */
  readonly announced = storeOf<{ readonly count: number; readonly message: Message } | undefined>(undefined);

  private readonly socket: ParleySocket;
  private readonly known = new Map<string, Summary>();
  private readonly asked = new Set<string>();
  private readonly unseen: (() => void)[] = [];
  private readonly drafts = new Map<string, string>();
  private readonly kept = new Map<string, readonly Pending[]>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private frame: ReturnType<typeof setTimeout> | undefined;
  private listIsDirty = false;
  private next: Shown | undefined;
  private paging: AbortController | undefined;
  private isPaging = false;
  private looks = 0;
  private looking: ReturnType<typeof setTimeout> | undefined;
  private newTexts: Message[] = [];
  private announcing: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;
  private atEnd = true;

  constructor(
    readonly api: Api,
    readonly userId: string,
    token: string,
    realtimeUrl: string,
    private readonly onRefused: () => void,
  ) {
    this.socket = new ParleySocket({ url: realtimeUrl, token });
    this.listen();
  }

  /** Begins. @returns what ends it. */
  start(): () => void {
    void this.loadList();
    this.socket.connect().catch((error: unknown) => {
      if (error instanceof ParleyError && error.code === 'unauthenticated') this.onRefused();
    });
    const hurry = () => this.socket.hurry();
    const seen = () => this.markRead();
    addEventListener('online', hurry);
    document.addEventListener('visibilitychange', seen);
    this.unseen.push(
      () => removeEventListener('online', hurry),
      () => document.removeEventListener('visibilitychange', seen),
    );
    return () => this.close();
  }

  // ---- the list -------------------------------------------------------------------------------------------------------------

  async loadList(): Promise<void> {
    this.listError.set(undefined);
    try {
      let cursor: string | null = '';
      for (let page = 0; page < LIST_PAGES && cursor !== null; page += 1) {
        const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const { items, nextCursor }: ConversationList = await this.api.ask<ConversationList>(
          `./v1/conversations?limit=${LIST_PAGE}${query}`,
        );
        for (const item of items) this.take(item);
        cursor = nextCursor;
        this.listChanged();
      }
      void this.askPresence();
    } catch (error) {
      if (!isAborted(error)) this.listError.set(error);
    }
  }

  /** @throws ApiError */
  async create(title: string, memberIds: readonly string[], key: string): Promise<string> {
    const view = await this.api.ask<ConversationView>('./v1/conversations', {
      method: 'POST',
      body: { ...(title === '' ? {} : { title }), memberIds },
      headers: { 'idempotency-key': key },
    });
    this.takeView(view);
    void this.askPresence();
    return view.id;
  }

  /** @throws ApiError */
  async addMember(id: string, userId: string): Promise<void> {
    await this.api.ask(`./v1/conversations/${id}/members/${encodeURIComponent(userId)}`, { method: 'PUT' });
    this.takeView(await this.api.ask<ConversationView>(`./v1/conversations/${id}`));
    void this.askPresence();
  }

  private takeView({ id, title, memberIds, headSeq }: ConversationView): void {
    const before = this.known.get(id);
    this.take({
      id,
      title,
      memberIds,
      headSeq,
      readSeq: before?.readSeq ?? headSeq,
      unread: before?.unread ?? 0,
      lastMessage: before?.lastMessage ?? null,
    });
    this.listChanged();
  }

  private take(summary: Summary): void {
    this.known.set(summary.id, summary);
    this.asked.delete(summary.id);
    this.socket.follow({ conversationId: summary.id, seq: summary.headSeq });
  }

  /** A conversation that was not in the list: a new one, or an old one that wakes up. */
  private async discover(id: string): Promise<void> {
    if (this.asked.has(id)) return;
    this.asked.add(id);
    try {
      const [view, page] = await Promise.all([
        this.api.ask<ConversationView>(`./v1/conversations/${id}`),
        this.api.ask<MessageList>(`./v1/conversations/${id}/messages?limit=1`),
      ]);
      const lastMessage = page.items.at(-1) ?? null;
      this.take({ ...view, readSeq: 0, unread: view.headSeq, lastMessage });
      this.listChanged();
      void this.askPresence();
    } catch {
      // Its next message asks again.
      this.asked.delete(id);
    }
  }

  private async askPresence(): Promise<void> {
    const users = new Set([...this.known.values()].slice(0, PRESENCE_PAGE).flatMap(({ memberIds }) => memberIds.slice(0, 20)));
    users.delete(this.userId);
    const asked = [...users].slice(0, PRESENCE_PAGE);
    if (asked.length === 0) return;
    const answer = await this.api.ask<PresenceList>(`./v1/presence?userIds=${asked.join(',')}`).catch(() => undefined);
    if (answer === undefined) return;
    const online = new Set(this.online.get());
    for (const item of answer.items) {
      if (item.online) online.add(item.userId);
      else online.delete(item.userId);
    }
    this.online.set(online);
  }

  // ---- the open conversation ------------------------------------------------------------------------------------------------

  /** Shows a conversation, at its newest message or around `seq`. */
  async show(id: string, seq?: number): Promise<void> {
    this.paging?.abort();
    const paging = new AbortController();
    this.paging = paging;
    this.isPaging = true;
    const before = this.next;
    if (before !== undefined && before.pending.length > 0) this.kept.set(before.conversationId, before.pending);
    this.typing.set(new Map());
    this.readBy.set(new Map());
    this.atEnd = seq === undefined;
    this.change({ ...emptyTimeline(id), pending: this.kept.get(id) ?? [] });
    this.kept.delete(id);
    this.render();
    try {
      const range = seq === undefined ? `limit=${PAGE}` : `limit=${PAGE}&beforeSeq=${seq + PAGE / 2}`;
      const page = await this.api.ask<MessageList>(`./v1/conversations/${id}/messages?${range}`, { signal: paging.signal });
      if (paging.signal.aborted || this.next === undefined) return;
      this.change(withPage(this.next, page.items, page.headSeq));
      this.isPaging = false;
      if (seq === undefined) await this.catchUp();
      this.lookAgain(true);
      this.markRead();
      void this.refreshMembers(id);
    } catch (error) {
      if (isAborted(error) || this.next === undefined) return;
      this.change({ ...this.next, state: 'failed', error });
    } finally {
      if (this.paging === paging) this.isPaging = false;
    }
  }

  hide(): void {
    this.paging?.abort();
    if (this.next !== undefined && this.next.pending.length > 0) this.kept.set(this.next.conversationId, this.next.pending);
    this.next = undefined;
    this.render();
  }

  loadOlder(): Promise<void> {
    return this.page((shown) => {
      const first = shown.messages[0]?.seq ?? 1;
      if (first <= 1) return undefined;
      return { range: `beforeSeq=${first}`, apply: (now, page) => withOlder(now, page.items) };
    });
  }

  loadNewer(): Promise<void> {
    return this.page((shown) => {
      if (isAttached(shown)) return undefined;
      const last = shown.messages.at(-1)?.seq ?? 0;
      return { range: `afterSeq=${last}`, apply: (now, page) => withNewer(now, page.items, page.headSeq) };
    });
  }

  /** The newest message again, after reading far above it. */
  async showNewest(): Promise<void> {
    const shown = this.next;
    if (shown === undefined) return;
    if (isAttached(shown)) return;
    await this.show(shown.conversationId);
  }

  private async page(
    plan: (shown: Shown) => { range: string; apply: (now: Shown, page: MessageList) => Shown } | undefined,
  ): Promise<void> {
    const shown = this.next;
    if (shown?.state !== 'ready' || this.isPaging) return;
    const wanted = plan(shown);
    if (wanted === undefined) return;
    const signal = this.paging?.signal;
    this.isPaging = true;
    try {
      const page = await this.api.ask<MessageList>(
        `./v1/conversations/${shown.conversationId}/messages?${wanted.range}&limit=${PAGE}`,
        signal === undefined ? {} : { signal },
      );
      if (this.next?.conversationId === shown.conversationId) this.change(wanted.apply(this.next, page));
    } catch {
      // Scrolling on asks again; that there is no connection is shown already.
    } finally {
      this.isPaging = false;
    }
  }

  /** What came while the first page was on its way. */
  private async catchUp(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) {
      const shown = this.next;
      if (shown === undefined || isAttached(shown)) return;
      await this.loadNewer();
    }
  }

  private async refreshMembers(id: string): Promise<void> {
    const view = await this.api.ask<ConversationView>(`./v1/conversations/${id}`).catch(() => undefined);
    if (view !== undefined) this.takeView(view);
  }

  /** Whether the reader is at the newest message: then new ones are followed, and count as read. */
  get isAtEnd(): boolean {
    return this.atEnd;
  }

  stand(isAtEnd: boolean): void {
    this.atEnd = isAtEnd;
    if (isAtEnd) this.markRead();
  }

  // ---- what the user does ---------------------------------------------------------------------------------------------------

  draftOf = (id: string): string => this.drafts.get(id) ?? '';
  keepDraft = (id: string, text: string): unknown => (text === '' ? this.drafts.delete(id) : this.drafts.set(id, text));

  tellTyping(id: string): void {
    this.socket.typing(id);
  }

  /** Shows the message at once; it is stored exactly once however often the connection breaks. */
  send(conversationId: string, content: string, clientMessageId = randomId()): void {
    this.pend(conversationId, (shown) => withPending(shown, { clientMessageId, content, at: Date.now(), state: 'sending' }));
    this.socket.send(conversationId, content, { clientMessageId, timeoutMs: SEND_FOR_MS }).then(
      ({ id }) => this.pend(conversationId, (shown) => withAcknowledged(shown, clientMessageId, id)),
      (error: unknown) => {
        if (!this.isClosed) this.pend(conversationId, (shown) => withFailed(shown, clientMessageId, error));
      },
    );
  }

  /** Under the same id, so that it is stored once even if the first try was stored after all. */
  sendAgain(conversationId: string, { clientMessageId, content }: Pending): void {
    this.send(conversationId, content, clientMessageId);
  }

  discard(conversationId: string, { clientMessageId }: Pending): void {
    this.pend(conversationId, (shown) => withoutPending(shown, clientMessageId));
  }

  /** @throws ApiError */
  async edit(message: Message, content: string): Promise<void> {
    const edited = await this.api.ask<Message>(`./v1/messages/${message.id}`, {
      method: 'PATCH',
      body: { content },
      headers: { 'if-match': `"${message.version}"` },
    });
    this.changed(edited);
    this.lookAgain(true);
  }

  /** @throws ApiError */
  async remove(message: Message): Promise<void> {
    await this.api.ask(`./v1/messages/${message.id}`, { method: 'DELETE', headers: { 'if-match': `"${message.version}"` } });
    this.changed({ ...message, content: '', version: message.version + 1, deletedAt: new Date().toISOString() });
  }

  /** Everything that is shown has been read, if the reader can see it. */
  markRead(): void {
    const shown = this.next;
    if (shown?.state !== 'ready' || document.visibilityState !== 'visible' || !this.isAtEnd || !isAttached(shown)) return;
    const summary = this.known.get(shown.conversationId);
    const seq = shown.messages.at(-1)?.seq ?? 0;
    if (summary === undefined || seq === 0 || (summary.readSeq >= seq && summary.unread === 0)) return;
    this.known.set(summary.id, { ...summary, readSeq: seq, unread: 0 });
    this.socket.markRead(summary.id, seq);
    this.listChanged();
  }

  // ---- what arrives ---------------------------------------------------------------------------------------------------------

  private listen(): void {
    const { socket } = this;
    socket.on('state', (state) => {
      this.connection.set(state);
      if (state.state === 'live') {
        void this.askPresence();
        if (this.next?.state === 'failed') void this.show(this.next.conversationId);
        if (this.listError.get() !== undefined) void this.loadList();
      }
      if (state.state === 'closed' && state.error.code === 'unauthenticated') this.onRefused();
    });
    socket.on('message', ({ message }) => this.arrived(message));
    socket.on('edited', ({ message }) => this.changed(message));
    socket.on('deleted', ({ message }) => this.changed(message));
    socket.on('indexed', ({ conversationId, seq }) => {
      if (this.next?.conversationId === conversationId) this.change(withStage(this.next, seq, 'embedding'));
    });
    socket.on('receipt', ({ conversationId, userId, readSeq }) => {
      if (userId === this.userId) return this.readElsewhere(conversationId, readSeq);
      if (this.next?.conversationId !== conversationId) return;
      this.readBy.set(new Map(this.readBy.get()).set(userId, readSeq));
    });
    socket.on('typing', (frame) => this.types(frame));
    socket.on('presence', ({ userId, online }) => {
      const now = new Set(this.online.get());
      if (online) now.add(userId);
      else now.delete(userId);
      this.online.set(now);
    });
    socket.on('score', ({ conversationId, scoreChange, score, level, degraded }) =>
      this.scored.set({ conversationId, scoreChange, score, level, degraded }),
    );
    socket.on('removed', ({ conversationId }) => {
      this.known.delete(conversationId);
      if (this.next?.conversationId === conversationId)
        this.change({ ...this.next, state: 'failed', error: new ApiError('not-found', '') });
      this.listChanged();
    });
    // More was missed than is sent live: the pages have it.
    socket.on('behind', ({ conversationId }) => void this.jumpToHead(conversationId));
  }

  private async jumpToHead(id: string): Promise<void> {
    this.known.delete(id);
    this.asked.delete(id);
    await this.discover(id);
    if (this.next?.conversationId === id) await this.show(id);
  }

  private arrived(message: Message): void {
    const { conversationId, seq, senderId } = message;
    const isOwn = senderId === this.userId;
    const summary = this.known.get(conversationId);
    if (summary === undefined) void this.discover(conversationId);
    else {
      const unread = isOwn || message.deletedAt !== undefined || seq <= summary.readSeq ? summary.unread : summary.unread + 1;
      this.known.set(conversationId, { ...summary, headSeq: Math.max(summary.headSeq, seq), lastMessage: message, unread });
      this.listChanged();
    }
    if (!isOwn) this.socket.markDelivered(conversationId, seq);
    if (this.next?.conversationId !== conversationId) return;
    // It is here, so it was delivered, whatever it said of itself on its way.
    const delivered = { ...message, pipeline: { ...message.pipeline, delivery: 'done' as const } };
    this.change(withLive(this.next, delivered, this.isAtEnd, this.userId));
    this.stopsTyping(senderId);
    if (!isOwn) this.announce(message);
    this.lookAgain(true);
    this.markRead();
  }

  private changed(message: Message): void {
    const summary = this.known.get(message.conversationId);
    if (summary?.lastMessage?.id === message.id) {
      this.known.set(summary.id, { ...summary, lastMessage: message });
      this.listChanged();
    }
    if (this.next?.conversationId === message.conversationId) this.change(withChanged(this.next, message));
  }

  private readElsewhere(conversationId: string, readSeq: number): void {
    const summary = this.known.get(conversationId);
    if (summary === undefined || readSeq <= summary.readSeq) return;
    this.known.set(conversationId, { ...summary, readSeq, unread: readSeq >= summary.headSeq ? 0 : summary.unread });
    this.listChanged();
  }

  private types({ conversationId, userId }: TypingFrame): void {
    if (this.next?.conversationId !== conversationId || userId === this.userId) return;
    this.typing.set(new Map(this.typing.get()).set(userId, Date.now() + TYPING_FOR_MS));
    this.later(TYPING_FOR_MS, () => {
      if ((this.typing.get().get(userId) ?? 0) <= Date.now()) this.stopsTyping(userId);
    });
  }

  private stopsTyping(userId: string): void {
    if (!this.typing.get().has(userId)) return;
    const now = new Map(this.typing.get());
    now.delete(userId);
    this.typing.set(now);
  }

  private announce(message: Message): void {
    this.newTexts.push(message);
    this.announcing ??= setTimeout(() => {
      this.announcing = undefined;
      const last = this.newTexts.at(-1);
      if (last !== undefined) this.announced.set({ count: this.newTexts.length, message: last });
      this.newTexts = [];
    }, NEW_TEXTS_EVERY_MS);
  }

  /** Looks at the page again as long as something in it is on its way; each time after a longer pause. */
  private lookAgain(anew: boolean): void {
    if (anew) this.looks = 0;
    if (this.looking !== undefined && !anew) return;
    clearTimeout(this.looking);
    this.looking = setTimeout(() => void this.look(), LOOK_AFTER_MS[Math.min(this.looks, LOOK_AFTER_MS.length - 1)]);
  }

  private async look(): Promise<void> {
    this.looking = undefined;
    const shown = this.next;
    const first = shown?.messages.find((message) => !isSettled(message) && message.deletedAt === undefined);
    if (shown === undefined || first === undefined || this.isClosed || this.looks >= LOOK_AFTER_MS.length) return;
    this.looks += 1;
    try {
      const page = await this.api.ask<MessageList>(
        `./v1/conversations/${shown.conversationId}/messages?afterSeq=${first.seq - 1}&limit=200`,
      );
      for (const message of page.items) this.changed(message);
    } catch {
      // The next look asks again.
    }
    this.lookAgain(false);
  }

  // ---- showing it -----------------------------------------------------------------------------------------------------------

  /** Changes what waits for its acknowledgement, of the open conversation or of one that is not shown. */
  private pend(conversationId: string, how: (shown: Shown) => Shown): void {
    if (this.next?.conversationId === conversationId) return this.change(how(this.next));
    const { pending } = how({ ...emptyTimeline(conversationId), pending: this.kept.get(conversationId) ?? [] });
    const waiting = pending.filter(({ state }) => state !== 'sent');
    if (waiting.length === 0) this.kept.delete(conversationId);
    else this.kept.set(conversationId, waiting);
  }

  private change(shown: Shown): void {
    this.next = shown;
    this.schedule();
  }

  private listChanged(): void {
    this.listIsDirty = true;
    this.schedule();
  }

  /** Once for all that arrives within a frame. A timer, because a hidden page has no frames. */
  private schedule(): void {
    this.frame ??= setTimeout(() => this.render(), 16);
  }

  private render(): void {
    clearTimeout(this.frame);
    this.frame = undefined;
    if (this.isClosed) return;
    this.open.set(this.next);
    if (!this.listIsDirty) return;
    this.listIsDirty = false;
    this.conversations.set([...this.known.values()].sort(newestFirst));
  }

  private later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    this.timers.add(timer);
  }

  private close(): void {
    this.isClosed = true;
    this.paging?.abort();
    for (const end of this.unseen) end();
    for (const timer of [this.frame, this.looking, this.announcing, ...this.timers]) clearTimeout(timer);
    this.socket.close();
  }
}

// Ids are UUIDv7, so they are in the order of time; a conversation without a message stands where it was created.
const activity = ({ lastMessage, id }: Summary): string => lastMessage?.id ?? id;
const newestFirst = (one: Summary, other: Summary): number => (activity(one) < activity(other) ? 1 : -1);

/** 128 random bits; `crypto.randomUUID` is missing on pages that were not loaded over https. */
export const randomId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
