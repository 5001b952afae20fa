import type { Message, TypingFrame } from '#client/frames';
import { ParleyError } from '#client/parley-error';
import { ParleySocket } from '#client/parley-socket';
import { randomId } from '#client/random-id';
import type { ConnectionState } from '#client/reconnecting-connection';
import type { ConversationView } from '#lib/contracts/http';
import { type Api, ApiError, isPassing } from '../../shared/api.js';
import { Coalesced } from '../../shared/coalesced.js';
import { storeOf } from '../../shared/store.js';
import { OpenConversation } from './open-conversation.js';
import { Presence } from './presence.js';
import { Summaries } from './summaries.js';
import { type Pending, withAcknowledged, withFailed, withoutPending, withPending } from './timeline.js';

/** The score of the user after the end of a conversation. */
export interface Scored {
  readonly conversationId: string;
  readonly scoreChange: number;
  readonly score: number;
  readonly level: 'stranger' | 'acquaintance' | 'friend';
  readonly degraded: boolean;
}

/** A `typing` is passed on every 2 s at most. */
const TYPING_FOR_MS = 4_000;
/** A send is tried for so long, reconnecting included; its reader then decides. */
const SEND_FOR_MS = 600_000;
const NEW_TEXTS_EVERY_MS = 1_000;
const RETRY_AFTER_MS = 5_000;
/** Conversations whose newest members' presence is asked for. */
const PRESENCE_OF = 100;
/** Conversations whose readers are kept. */
const READERS_OF = 100;

/** All that the room Chat knows of one user, and what it does. Components follow its stores. */
export class Chat {
  readonly list: Summaries;
  readonly open: OpenConversation;
  readonly presence: Presence;
  readonly connection = storeOf<ConnectionState>({ state: 'idle' });
  /** Until when each member of the open conversation types, in milliseconds since 1970. */
  readonly typing = storeOf<ReadonlyMap<string, number>>(new Map());
  /** How far members of the open conversation have read, as far as this page has heard. */
  readonly readBy = storeOf<ReadonlyMap<string, number>>(new Map());
  readonly scored = storeOf<Scored | undefined>(undefined);
  /** The newest message of others, for readers of the screen: at most one each second. */
  readonly announced = storeOf<{ readonly count: number; readonly message: Message } | undefined>(undefined);

  private readonly socket: ParleySocket;
  private readonly drafts = new Map<string, string>();
  /** By conversation: {@link readBy} of those that were heard of last. */
  private readonly readers = new Map<string, ReadonlyMap<string, number>>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private readonly endings: (() => void)[] = [];
  private readonly announcing = new Coalesced(NEW_TEXTS_EVERY_MS, () => this.announce());
  private newTexts: Message[] = [];
  private isClosed = false;

  constructor(
    readonly api: Api,
    readonly userId: string,
    token: string,
    realtimeUrl: string,
    private readonly onRefused: () => void,
  ) {
    this.socket = new ParleySocket({ url: realtimeUrl, token });
    this.presence = new Presence(api, () => this.list.members(PRESENCE_OF).filter((member) => member !== userId));
    this.list = new Summaries(api, ({ id, headSeq }) => {
      this.socket.follow({ conversationId: id, seq: headSeq });
      this.presence.ask();
    });
    this.open = new OpenConversation(api, userId, {
      opened: (id) => void this.refreshView(id),
      seen: () => this.markRead(),
    });
    this.listen();
  }

  /** Connects, and loads the list. */
  start(): void {
    void this.list.load();
    this.socket.connect().catch((error: unknown) => {
      if (error instanceof ParleyError && error.code === 'unauthenticated') this.onRefused();
    });
    const back = () => {
      this.socket.hurry();
      // The socket may have outlived the break, and no frame tells of a conversation without a message.
      this.refresh();
    };
    const seen = () => this.markRead();
    addEventListener('online', back);
    document.addEventListener('visibilitychange', seen);
    this.endings.push(
      () => removeEventListener('online', back),
      () => document.removeEventListener('visibilitychange', seen),
    );
  }

  /** Ends it for good. */
  close(): void {
    this.isClosed = true;
    for (const end of this.endings) end();
    for (const timer of this.timers) clearTimeout(timer);
    for (const part of [this.announcing, this.list, this.open, this.presence]) part.end();
    this.socket.close();
  }

  /** Shows a conversation, at its newest message or around `seq`; undefined shows none. */
  show(id: string | undefined, seq?: number): void {
    this.typing.set(new Map());
    this.readBy.set((id === undefined ? undefined : this.readers.get(id)) ?? new Map());
    if (id === undefined) this.open.hide();
    else void this.open.show(id, seq);
  }

  // ---- what the user does ---------------------------------------------------------------------------------------------------

  /** @throws ApiError */
  async create(title: string, memberIds: readonly string[], key: string): Promise<string> {
    const view = await this.api.ask<ConversationView>('./v1/conversations', {
      method: 'POST',
      body: { ...(title === '' ? {} : { title }), memberIds },
      headers: { 'idempotency-key': key },
    });
    this.list.takeView(view);
    return view.id;
  }

  /** @throws ApiError */
  async addMember(id: string, userId: string): Promise<void> {
    await this.api.ask(`./v1/conversations/${id}/members/${encodeURIComponent(userId)}`, { method: 'PUT' });
    this.list.takeView(await this.api.ask<ConversationView>(`./v1/conversations/${id}`));
    this.presence.ask();
  }

  draftOf = (id: string): string => this.drafts.get(id) ?? '';
  keepDraft = (id: string, text: string): unknown => (text === '' ? this.drafts.delete(id) : this.drafts.set(id, text));

  tellTyping(id: string): void {
    this.socket.typing(id);
  }

  /** Shows the message at once; it is stored exactly once however often the connection breaks. */
  send(conversationId: string, content: string, clientMessageId = randomId()): void {
    this.open.pend(conversationId, (shown) => withPending(shown, { clientMessageId, content, at: Date.now(), state: 'sending' }));
    this.socket.send(conversationId, content, { clientMessageId, timeoutMs: SEND_FOR_MS }).then(
      ({ id }) => this.open.pend(conversationId, (shown) => withAcknowledged(shown, clientMessageId, id)),
      (error: unknown) => {
        if (!this.isClosed) this.open.pend(conversationId, (shown) => withFailed(shown, clientMessageId, error));
      },
    );
  }

  /** Under the same id, so that it is stored once even if the first try was stored after all. */
  sendAgain(conversationId: string, { clientMessageId, content }: Pending): void {
    this.send(conversationId, content, clientMessageId);
  }

  discard(conversationId: string, { clientMessageId }: Pending): void {
    this.open.pend(conversationId, (shown) => withoutPending(shown, clientMessageId));
  }

  /** @throws ApiError */
  async edit(message: Message, content: string): Promise<void> {
    const edited = await this.api.ask<Message>(`./v1/messages/${message.id}`, {
      method: 'PATCH',
      body: { content },
      headers: { 'if-match': `"${message.version}"` },
    });
    this.list.changed(edited);
    this.open.edited(edited);
  }

  /** @throws ApiError */
  async remove(message: Message): Promise<void> {
    await this.api.ask(`./v1/messages/${message.id}`, { method: 'DELETE', headers: { 'if-match': `"${message.version}"` } });
    this.changed({ ...message, content: '', version: message.version + 1, deletedAt: new Date().toISOString() });
  }

  /** Everything that is shown has been read, if the reader can see it. */
  private markRead(): void {
    const id = this.open.current?.conversationId;
    const seq = this.open.seenUpTo;
    if (id === undefined || seq === undefined || document.visibilityState !== 'visible') return;
    if (this.list.read(id, seq)) this.socket.markRead(id, seq);
  }

  // ---- what arrives ---------------------------------------------------------------------------------------------------------

  private listen(): void {
    const { socket } = this;
    socket.on('state', (state) => this.connected(state));
    socket.on('message', ({ message }) => this.arrived(message));
    socket.on('edited', ({ message }) => this.changed(message));
    socket.on('deleted', ({ message }) => this.changed(message));
    socket.on('indexed', ({ conversationId, seq }) => this.open.indexed(conversationId, seq));
    socket.on('receipt', ({ conversationId, userId, readSeq }) => {
      if (userId === this.userId) this.list.read(conversationId, readSeq);
      else this.hasRead(conversationId, userId, readSeq);
    });
    socket.on('typing', (frame) => this.types(frame));
    socket.on('presence', ({ userId, online }) => this.presence.heard(userId, online));
    socket.on('score', ({ conversationId, scoreChange, score, level, degraded }) =>
      this.scored.set({ conversationId, scoreChange, score, level, degraded }),
    );
    socket.on('removed', ({ conversationId }) => {
      this.list.remove(conversationId);
      if (this.open.isOf(conversationId)) this.open.fail(new ApiError('not-found', ''));
    });
    // More was missed than is sent live: the pages have it.
    socket.on('behind', ({ conversationId }) => void this.jumpToHead(conversationId));
  }

  private connected(state: ConnectionState): void {
    this.connection.set(state);
    if (state.state === 'closed' && state.error.code === 'unauthenticated') this.onRefused();
    if (state.state !== 'live') return;
    this.refresh();
  }

  /** Reads what may have been missed. */
  private refresh(): void {
    void this.list.refresh();
    this.presence.ask();
    this.open.retry();
  }

  private arrived(message: Message): void {
    const { conversationId, seq, senderId } = message;
    const isOwn = senderId === this.userId;
    this.list.arrived(message, isOwn);
    if (!isOwn) this.socket.markDelivered(conversationId, seq);
    if (!this.open.isOf(conversationId)) return;
    this.open.arrived(message);
    this.stopsTyping(senderId);
    if (!isOwn) {
      this.newTexts.push(message);
      this.announcing.ask();
    }
    this.markRead();
  }

  private changed(message: Message): void {
    this.list.changed(message);
    this.open.changed(message);
  }

  /** No answer of the API says how far others have read: what frames have told is kept, of the newest conversations. */
  private hasRead(id: string, userId: string, seq: number): void {
    const readers = new Map(this.readers.get(id)).set(userId, seq);
    this.readers.delete(id);
    this.readers.set(id, readers);
    const [oldest] = this.readers.keys();
    if (this.readers.size > READERS_OF && oldest !== undefined) this.readers.delete(oldest);
    if (this.open.isOf(id)) this.readBy.set(readers);
  }

  /** Reads the members again, of one that the list may not have. */
  private async refreshView(id: string): Promise<void> {
    const view = await this.api.ask<ConversationView>(`./v1/conversations/${id}`).catch(() => undefined);
    if (view === undefined || this.isClosed) return;
    const shown = this.open.current;
    this.list.takeView(view, shown?.conversationId === id ? shown.messages.at(-1) : undefined);
    this.markRead();
  }

  private async jumpToHead(id: string): Promise<void> {
    try {
      const view = await this.api.ask<ConversationView>(`./v1/conversations/${id}`);
      this.socket.follow({ conversationId: id, seq: view.headSeq });
      this.list.takeView(view);
      void this.list.refresh();
      if (this.open.isOf(id)) await this.open.show(id);
    } catch (error) {
      if (isPassing(error)) this.later(RETRY_AFTER_MS, () => void this.jumpToHead(id));
    }
  }

  private types({ conversationId, userId }: TypingFrame): void {
    if (!this.open.isOf(conversationId) || userId === this.userId) return;
    this.typing.set(new Map(this.typing.get()).set(userId, Date.now() + TYPING_FOR_MS));
    // A timer may come a millisecond before the clock.
    this.later(TYPING_FOR_MS + 50, () => {
      if ((this.typing.get().get(userId) ?? 0) <= Date.now()) this.stopsTyping(userId);
    });
  }

  private stopsTyping(userId: string): void {
    if (!this.typing.get().has(userId)) return;
    const now = new Map(this.typing.get());
    now.delete(userId);
    this.typing.set(now);
  }

  private announce(): void {
    const message = this.newTexts.at(-1);
    if (message !== undefined) this.announced.set({ count: this.newTexts.length, message });
    this.newTexts = [];
  }

  private later(ms: number, work: () => void): void {
    if (this.isClosed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    this.timers.add(timer);
  }
}
