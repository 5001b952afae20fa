import { ChangeStream } from './change-stream.js';
import type { SocketConstructor } from './connection.js';
import { FrameRate } from './frame-rate.js';
import type {
  ClientFrame,
  ErrorFrame,
  IndexedFrame,
  MessageFrame,
  PresenceFrame,
  ReceiptOfMember,
  ResumePoint,
  ScoreFrame,
  ServerFrame,
  TypingFrame,
} from './frames.js';
import { Listeners } from './listeners.js';
import { type Change, OrderedConversation } from './ordered-conversation.js';
import type { ParleyError } from './parley-error.js';
import { type Acknowledged, PendingSends, type SendOptions } from './pending-sends.js';
import { Receipts } from './receipts.js';
import { type ConnectionState, ReconnectingConnection, type Timing, type TokenSource } from './reconnecting-connection.js';
import { ASK_AGAIN_AFTER_MS, Resumes } from './resumes.js';
import { SeenVersions } from './seen-versions.js';

// States of the connection: reconnecting-connection.ts. States of a conversation: ordered-conversation.ts.

export interface ParleySocketOptions {
  /** `ws://localhost:8081/v1/ws`, or `wss:`. */
  readonly url: string;
  /** A JWT, or a function that gets one: asked before each connection, and once more when the server says that it has expired. */
  readonly token: TokenSource;
  /** Where to go on, as `positions()` gave it. A conversation that is not listed begins with the first message that arrives. */
  readonly resume?: readonly ResumePoint[];
  /** Changes that wait for one `for await`; default 1,000. */
  readonly bufferSize?: number;
  /** Frames sent per second at most, below the server's limit of 20 (WS_FRAMES_PER_SECOND); default 16. */
  readonly framesPerSecond?: number;
  readonly timing?: Partial<Timing>;
  /** For platforms without a WebSocket of their own, as Node before 22: that of the package `ws`. */
  readonly webSocket?: SocketConstructor | undefined;
}

/** What can be listened to. */
export interface ParleyEvents {
  message: Change;
  edited: Change;
  deleted: Change;
  receipt: ReceiptOfMember;
  typing: TypingFrame;
  presence: PresenceFrame;
  indexed: IndexedFrame;
  /** The score of the user changed. Tells each version once, and none that is older than one before. */
  score: ScoreFrame;
  state: ConnectionState;
  /** More is missing than the server sends (10,000 messages): read the history over REST, then `follow` with the newest `seq` of it. */
  behind: ResumePoint & { readonly detail: string };
  /** The user is no member any more. The conversation's loops end. */
  removed: { readonly conversationId: string };
  /** An error that answers nothing that is waited for. */
  problem: ErrorFrame;
}

const DEFAULT_TIMING: Timing = { connectMs: 10_000, graceMs: 10_000, tokenMs: 15_000, backoff: { minMs: 200, maxMs: 10_000 } };
/** Receipts of this time go as one. */
const RECEIPTS_EVERY_MS = 200;
/** The server passes on one of each conversation and user in this time. */
const TYPING_EVERY_MS = 2_000;
const HOUSEKEEPING_MS = 1_000;
const eventOf = { created: 'message', edited: 'edited', deleted: 'deleted' } as const;

/**
 * A user's live conversations. Connects, reconnects and resumes by itself until `close()`; shows each conversation in order, without a gap
 * and without a duplicate. Works in browsers and in Node from 20 on.
 */
export class ParleySocket {
  private readonly listeners = new Listeners<ParleyEvents>();
  private readonly conversations = new Map<string, OrderedConversation>();
  private readonly versions = new SeenVersions();
  private readonly resumes = new Resumes();
  private readonly sends = new PendingSends(() => this.pump());
  private readonly receipts = new Receipts();
  private readonly typingAt = new Map<string, number>();
  private readonly typingNow = new Set<string>();
  /** By conversation; undefined: all of them. */
  private readonly streams = new Map<string | undefined, Set<ChangeStream>>();
  /** Conversations that wait for room in a stream, the longest waiting one first. */
  private readonly paused = new Set<string>();
  private readonly connection: ReconnectingConnection;
  private readonly rate: FrameRate;
  private readonly bufferSize: number;
  private readonly firstLive: Promise<void>;
  private settleFirst: { resolve: () => void; reject: (error: ParleyError) => void } | undefined;
  private pumping: ReturnType<typeof setTimeout> | undefined;
  private flushing: ReturnType<typeof setTimeout> | undefined;
  private housekeeping: ReturnType<typeof setInterval> | undefined;
  private receiptsDue = false;
  /** `serverTime` of the last welcome or ping: from then on changes may be missing if the connection ends now. */
  private changesFrom: string | undefined;
  private ownId: string | undefined;
  /** Newest version of the user's score that was told. */
  private scoreVersion = 0;

  /** Does nothing before `connect()`. @throws SyntaxError or TypeError for a `url` that is none of a WebSocket. */
  constructor({ url, token, resume = [], bufferSize = 1_000, framesPerSecond = 16, timing = {}, webSocket }: ParleySocketOptions) {
    if (!/^wss?:$/.test(new URL(url).protocol)) throw new TypeError(`${url} is not the URL of a WebSocket`);
    this.bufferSize = Math.max(1, bufferSize);
    this.rate = new FrameRate(framesPerSecond);
    for (const point of resume) this.known(point.conversationId).follow(point);
    this.firstLive = new Promise((resolve, reject) => (this.settleFirst = { resolve, reject }));
    this.firstLive.catch(() => undefined); // also said by `state` and by each loop
    this.connection = new ReconnectingConnection(
      url,
      token,
      { ...DEFAULT_TIMING, ...timing },
      {
        hello: (token) => this.hello(token),
        live: ({ userId, serverTime }) => this.live(userId, serverTime),
        frame: (frame) => this.hear(frame),
        lost: () => this.lost(),
        state: (state) => this.enter(state),
      },
      webSocket,
    );
  }

  get state(): ConnectionState {
    return this.connection.state;
  }

  /** Of the token; undefined before the first connection. */
  get userId(): string | undefined {
    return this.ownId;
  }

  /** Settles with the first connection. @throws ParleyError `unauthenticated`, `unsupported` or `closed`; anything else is tried again. */
  connect(): Promise<void> {
    this.connection.open();
    return this.firstLive;
  }

  /** Tries at once instead of after the pause, where the platform says that the network is back (`online` of browsers). */
  hurry(): void {
    this.connection.hurry();
  }

  /** Ends the connection, the loops, and what waits for an acknowledgement. */
  close(): void {
    this.connection.close();
  }

  /** @returns what takes the listener away again. */
  on<Type extends keyof ParleyEvents>(type: Type, listener: (event: ParleyEvents[Type]) => void): () => void {
    return this.listeners.on(type, listener);
  }

  /**
   * Changes from now on, of one conversation or of all. A slow loop loses nothing: when its buffer is full, the conversations that it reads
   * stand still for every reader of this client until there is room, and what is missing is asked for then.
   * @throws ParleyError from the loop, when the token is refused.
   */
  messages(conversationId?: string): AsyncIterableIterator<Change, undefined> {
    const streams = this.streams.get(conversationId) ?? new Set<ChangeStream>();
    this.streams.set(conversationId, streams);
    const stream = new ChangeStream(
      this.bufferSize,
      () => this.room(),
      () => {
        streams.delete(stream);
        if (streams.size === 0) this.streams.delete(conversationId);
        this.room();
      },
    );
    streams.add(stream);
    if (this.state.state === 'closed') stream.end(endOf(this.state.error));
    return stream;
  }

  /** Shows the conversation from `seq` on, for one that was found or made over REST (`headSeq`). Never goes back. */
  follow(point: ResumePoint): void {
    const conversation = this.known(point.conversationId);
    conversation.follow(point);
    this.wantMissing(conversation);
  }

  /**
   * Where to go on after a restart: what listeners were given and loops have finished with. Save it, and give it as `resume`. Changes of the
   * last minute may be shown again.
   */
  positions(): ResumePoint[] {
    const unfinished = [...this.streams.values()].flatMap((streams) => [...streams].flatMap((stream) => [...stream.unfinished()]));
    const first = new Map<string, number>();
    for (const { type, conversationId, seq } of unfinished) {
      if (type === 'created') first.set(conversationId, Math.min(seq, first.get(conversationId) ?? seq));
    }
    return [...this.conversations.values()].flatMap((conversation) => {
      const point = conversation.point(this.changesFrom);
      const seq = (first.get(conversation.id) ?? Number.POSITIVE_INFINITY) - 1;
      return point === undefined ? [] : [{ ...point, seq: Math.min(point.seq, seq) }];
    });
  }

  /**
   * Settles when the message is stored, also when the connection breaks meanwhile: it is sent again under the same `clientMessageId`.
   * @throws ParleyError with the code of the server's error; `timeout`: not known whether it is stored; `closed`.
   */
  send(conversationId: string, content: string, options?: SendOptions): Promise<Acknowledged> {
    if (this.state.state === 'closed') return Promise.reject(this.state.error);
    return this.sends.add(conversationId, content, options);
  }

  /** Tells the other members, at most once in two seconds; nothing while there is no connection. */
  typing(conversationId: string): void {
    const now = performance.now();
    for (const [id, at] of this.typingAt) if (now - at >= TYPING_EVERY_MS) this.typingAt.delete(id);
    if (!this.connection.isLive || this.typingAt.has(conversationId)) return;
    this.typingAt.set(conversationId, now);
    this.typingNow.add(conversationId);
    this.pump();
  }

  /** Everything up to `seq` has been received. Only what was shown counts; a lower number than before changes nothing. */
  markDelivered(conversationId: string, seq: number): void {
    this.mark(conversationId, 'deliveredSeq', seq);
  }

  /** Everything up to `seq` has been read. */
  markRead(conversationId: string, seq: number): void {
    this.mark(conversationId, 'readSeq', seq);
  }

  private mark(conversationId: string, name: 'deliveredSeq' | 'readSeq', seq: number): void {
    const shown = Math.min(seq, this.conversations.get(conversationId)?.last ?? 0);
    if (shown <= 0) return;
    this.receipts.put(conversationId, { [name]: shown });
    this.flushIn(RECEIPTS_EVERY_MS);
  }

  private flushIn(ms: number): void {
    this.flushing ??= setTimeout(() => {
      this.flushing = undefined;
      this.receiptsDue = true;
      this.pump();
    }, ms);
  }

  // ---- the connection -------------------------------------------------------------------------------------------------------

  private hello(token: string): ClientFrame {
    this.resumes.reset();
    const resume = this.resumes.forHello(this.conversations.values(), this.changesFrom);
    return { type: 'hello', token, ...(resume.length === 0 ? {} : { resume }) };
  }

  private live(userId: string, serverTime: string): void {
    this.ownId = userId;
    this.changesFrom = serverTime;
    this.sends.repeatAll();
    this.receipts.repeatAll();
    this.receiptsDue = true;
    this.housekeeping = setInterval(() => this.keepHouse(), HOUSEKEEPING_MS);
    this.settleFirst?.resolve();
    this.pump();
  }

  private lost(): void {
    clearInterval(this.housekeeping);
    this.typingNow.clear();
    for (const conversation of this.conversations.values()) conversation.lost(this.changesFrom);
  }

  private enter(state: ConnectionState): void {
    if (state.state === 'closed') this.shut(state.error);
    this.listeners.emit('state', state);
  }

  private shut(error: ParleyError): void {
    for (const timer of [this.pumping, this.flushing, this.housekeeping]) clearTimeout(timer);
    this.settleFirst?.reject(error);
    this.sends.rejectAll(error);
    for (const streams of this.streams.values()) for (const stream of streams) stream.end(endOf(error));
  }

  private keepHouse(): void {
    this.resumes.expire();
    if (this.resumes.isWaiting) this.pump();
  }

  /** Sends what there is to send, as fast as frames are allowed. */
  private pump(): void {
    clearTimeout(this.pumping);
    this.pumping = undefined;
    while (this.connection.isLive) {
      if (!this.rate.hasPermit) {
        this.pumping = setTimeout(() => this.pump(), this.rate.waitMs);
        return;
      }
      const frame = this.next();
      if (frame === undefined) return;
      this.rate.spend();
      this.connection.send(frame);
    }
  }

  private next(): ClientFrame | undefined {
    const send = this.sends.next();
    if (send !== undefined) return send;
    const point = this.resumes.next(this.changesFrom);
    if (point !== undefined) return { type: 'resume', ...point };
    const receipt = this.receiptsDue ? this.receipts.next() : undefined;
    if (receipt !== undefined) return receipt;
    this.receiptsDue = false;
    const [conversationId] = this.typingNow;
    if (conversationId === undefined) return undefined;
    this.typingNow.delete(conversationId);
    return { type: 'typing', conversationId };
  }

  // ---- frames ---------------------------------------------------------------------------------------------------------------

  private hear(frame: ServerFrame): void {
    switch (frame.type) {
      case 'message.created':
      case 'message.edited':
      case 'message.deleted':
        return this.receive(frame);
      case 'resumed':
        return this.resumed(frame.conversationId, frame.toSeq);
      case 'ack':
        return this.sends.acknowledge(frame);
      case 'ping':
        return this.pinged(frame.serverTime, frame.heads);
      case 'error':
        return this.refused(frame);
      case 'receipt':
        return this.listeners.emit('receipt', frame);
      case 'typing':
        return this.listeners.emit('typing', frame);
      case 'presence':
        return this.listeners.emit('presence', frame);
      case 'message.indexed':
        return this.listeners.emit('indexed', frame);
      case 'score.updated':
        return this.scored(frame);
      case 'welcome':
      case 'goaway':
        return undefined;
    }
  }

  private scored(frame: ScoreFrame): void {
    if (frame.version <= this.scoreVersion) return;
    this.scoreVersion = frame.version;
    this.listeners.emit('score', frame);
  }

  private receive(frame: MessageFrame): void {
    const conversation = this.known(frame.conversationId);
    this.resumes.moved(conversation);
    conversation.receive(frame, this.changesFrom);
    this.wantMissing(conversation);
  }

  private resumed(conversationId: string, toSeq: number): void {
    const conversation = this.conversations.get(conversationId);
    if (conversation === undefined) return;
    conversation.head(toSeq);
    this.resumes.answered(conversation);
    this.pump();
  }

  private pinged(serverTime: string, heads: Readonly<Record<string, number>> = {}): void {
    this.changesFrom = serverTime;
    this.receipts.pinged();
    for (const [conversationId, seq] of Object.entries(heads)) {
      const conversation = this.known(conversationId);
      conversation.head(seq);
      this.wantMissing(conversation, ASK_AGAIN_AFTER_MS);
    }
  }

  private refused(frame: ErrorFrame): void {
    if (frame.ref !== undefined) return this.sends.refuse(frame.ref, frame);
    const conversation = frame.conversationId === undefined ? undefined : this.conversations.get(frame.conversationId);
    if (conversation === undefined) return this.listeners.emit('problem', frame);
    if (!this.resumes.isAsked(conversation)) return this.refusedSignal(conversation, frame);
    if (frame.code === 'not-found') return this.removed(conversation);
    if (frame.code !== 'validation') return this.resumes.failed(conversation, frame.retryAfterMs);
    this.resumes.forget(conversation);
    conversation.fellBehind();
    const point = conversation.point(undefined);
    if (point !== undefined) this.listeners.emit('behind', { ...point, detail: frame.detail });
  }

  /** Of a `receipt` or a `typing`. The server's process may not have heard yet of a new conversation; a resume asks Postgres. */
  private refusedSignal(conversation: OrderedConversation, frame: ErrorFrame): void {
    if (frame.code === 'not-found') {
      conversation.lost(this.changesFrom);
      this.wantMissing(conversation);
    } else if (frame.code !== 'validation' && this.receipts.failed(conversation.id)) this.flushIn(frame.retryAfterMs ?? ASK_AGAIN_AFTER_MS);
    else this.listeners.emit('problem', frame);
  }

  private removed(conversation: OrderedConversation): void {
    const { id } = conversation;
    this.conversations.delete(id);
    this.resumes.forget(conversation);
    this.receipts.forget(id);
    this.paused.delete(id);
    for (const stream of this.streams.get(id) ?? []) stream.end();
    this.streams.delete(id);
    this.listeners.emit('removed', { conversationId: id });
  }

  // ---- conversations --------------------------------------------------------------------------------------------------------

  /** As many as the user has: the server carries at most 10,000. */
  private known(id: string): OrderedConversation {
    const found = this.conversations.get(id);
    if (found !== undefined) return found;
    const reader = { hasRoom: (id: string) => this.hasRoom(id), take: (change: Change) => this.take(change) };
    const conversation = new OrderedConversation(id, reader, this.versions);
    this.conversations.set(id, conversation);
    return conversation;
  }

  private wantMissing(conversation: OrderedConversation, afterMs = 0): void {
    if (!conversation.isIncomplete) return;
    this.resumes.want(conversation, afterMs);
    if (afterMs === 0) this.pump();
  }

  private hasRoom(conversationId: string): boolean {
    const has = (key: string | undefined) => [...(this.streams.get(key) ?? [])].every((stream) => stream.hasRoom);
    if (has(conversationId) && has(undefined)) return true;
    this.paused.add(conversationId);
    return false;
  }

  private take(change: Change): void {
    for (const key of [change.conversationId, undefined]) for (const stream of this.streams.get(key) ?? []) stream.put(change);
    this.listeners.emit(eventOf[change.type], change);
  }

  /** A loop has room again. */
  private room(): void {
    const waiting = [...this.paused];
    this.paused.clear();
    for (const id of waiting) {
      const conversation = this.conversations.get(id);
      if (conversation === undefined) continue;
      conversation.proceed();
      this.wantMissing(conversation);
    }
  }
}

/** A loop ends quietly when the client was closed by its owner. */
const endOf = (error: ParleyError): ParleyError | undefined => (error.code === 'closed' ? undefined : error);
