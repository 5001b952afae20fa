import { setImmediate as turn } from 'node:timers/promises';
import type { ConversationSignal, MessageSignal } from '#lib/contracts/live';
import { newId } from '#lib/contracts/ids';
import type { ServerFrame } from '#lib/contracts/socket';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryConversationFeed } from '#lib/conversations/adapters/memory-conversation-feed';
import { MemoryConversationStore } from '#lib/conversations/adapters/memory-conversation-store';
import { MemoryMessageStore } from '#lib/conversations/adapters/memory-message-store';
import type { ConversationFeedPort } from '#lib/conversations/conversation-feed.port';
import type { Message } from '#lib/conversations/message';
import { viewOf } from '#lib/conversations/message-view';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryFanOut } from '#lib/live/fan-out/adapters/memory-fan-out';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { PushToSockets } from '../push-to-sockets.js';
import type { LiveSession, OutgoingFrame } from '../session/live-session.js';
import { CatchUps } from './catch-ups.js';
import { FollowedConversations } from './followed-conversations.js';
import { HeadsWatch, type WatchTimes } from './heads-watch.js';
import { HistoryReader } from './history-reader.js';
import { LiveConversations } from './live-conversations.js';
import { TypingSignals } from './typing-signals.js';

/** A session that writes down what it is sent. It may be slow: then `drained` waits for {@link read}. */
export class LoggedSession implements LiveSession {
  readonly id = newId();
  readonly raw: OutgoingFrame[] = [];
  isClosed = false;
  isSlow = false;
  /** Most frames that were unsent at once. */
  mostUnsent = 0;
  private unsent = 0;
  private drains: ((isOpen: boolean) => void)[] = [];

  constructor(readonly userId: string) {}

  send(frame: OutgoingFrame): void {
    if (this.isClosed) return;
    this.raw.push(frame);
    if (this.isSlow) this.unsent += 1;
    this.mostUnsent = Math.max(this.mostUnsent, this.unsent);
  }

  drained(): Promise<boolean> {
    if (this.isClosed || this.unsent < 128) return Promise.resolve(!this.isClosed);
    return new Promise((resolve) => this.drains.push(resolve));
  }

  /** The slow client reads what it was sent. */
  read(): void {
    this.unsent = 0;
    for (const drain of this.drains.splice(0)) drain(!this.isClosed);
  }

  close(): void {
    this.isClosed = true;
    this.read();
  }

  get frames(): ServerFrame[] {
    return this.raw.map(parsed);
  }

  seqs(conversationId: string): number[] {
    return this.all('message.created').flatMap((frame) => (frame.conversationId === conversationId ? [frame.seq] : []));
  }

  all<Type extends ServerFrame['type']>(type: Type): Extract<ServerFrame, { type: Type }>[] {
    return this.raw.filter((frame) => frame.type === type).map((frame) => parsed(frame) as Extract<ServerFrame, { type: Type }>);
  }
}

const parsed = ({ bytes }: OutgoingFrame): ServerFrame => JSON.parse(bytes.toString());

/** Postgres of the test: away on demand, late by a turn, and it counts its statements. */
const watched = (
  feed: ConversationFeedPort,
  world: { isAway: boolean; statements: Map<string, number>; hold: Promise<void> | undefined },
) =>
  new Proxy(feed, {
    get:
      (target, name: keyof ConversationFeedPort) =>
      async (...values: unknown[]) => {
        world.statements.set(name, (world.statements.get(name) ?? 0) + 1);
        const { hold } = world; // of the moment at which it is counted, for which tests wait
        await turn();
        if (world.isAway) throw new DependencyError('postgres', 'reads', 'unavailable');
        const answer = await (target[name] as (...all: unknown[]) => Promise<unknown>).call(target, ...values);
        await hold;
        await turn();
        if (world.isAway) throw new DependencyError('postgres', 'reads', 'timeout');
        return answer;
      },
  });

/** Fast, so that tests wait little; the order of the three is that of production. */
const TIMES: WatchTimes = { liveMs: 40, lostMs: 20, changesMs: 120 };

/** Conversations in memory, and processes with sockets that hear of them. Signals are sent by the test, so that it can lose them. */
export class LiveWorld {
  readonly archive = new MemoryArchive();
  readonly outbox = new MemoryOutbox();
  readonly messages = new MemoryMessageStore(this.archive, this.outbox);
  readonly conversations = new MemoryConversationStore(this.archive, this.outbox);
  readonly fanOut = new MemoryFanOut();
  readonly postgres = { isAway: false, statements: new Map<string, number>(), hold: undefined as Promise<void> | undefined };
  private readonly feed = watched(new MemoryConversationFeed(this.archive), this.postgres);
  private readonly watches: HeadsWatch[] = [];

  /** A realtime process. `isWatching`: it compares its heads with Postgres from time to time. */
  process({ isWatching = true, times = TIMES } = {}) {
    const logger = createLogger('test', 'silent');
    const subscription = this.fanOut.subscribe();
    const catchUps = new CatchUps(new HistoryReader(this.feed), this.feed, logger);
    const followed = new FollowedConversations(this.feed, subscription, catchUps, logger);
    const live = new LiveConversations(followed, catchUps, this.feed, subscription, new TypingSignals(this.fanOut), logger);
    const watch = new HeadsWatch(followed, live, this.feed, subscription, logger, times);
    this.watches.push(watch);
    subscription.listen(new PushToSockets(followed, live, watch));
    if (isWatching) watch.start();
    return { live, followed, subscription, watch };
  }

  async stop(): Promise<void> {
    this.postgres.isAway = false;
    await Promise.all(this.watches.map((watch) => watch.stop()));
  }

  async conversation(creatorId: string, ...memberIds: string[]): Promise<string> {
    return (await this.conversations.create({ title: null, creatorId, memberIds })).id;
  }

  /** Stores a message and sends nothing. */
  async store(conversationId: string, senderId: string, content = 'hello'): Promise<Message> {
    return (await this.messages.store({ conversationId, senderId, content, priority: 'normal' })).message;
  }

  /** Stores a message and sends its signal. */
  async say(conversationId: string, senderId: string, content = 'hello'): Promise<Message> {
    const message = await this.store(conversationId, senderId, content);
    await this.tell(message);
    return message;
  }

  /** The signal of a message as the delivery service makes it: from what is stored. */
  signalOf(message: Message, change: MessageSignal['change'] = 'created'): MessageSignal {
    const conversation = this.archive.conversations.get(message.conversationId);
    const stored = conversation?.messages[message.seq - 1] ?? message;
    const frame = { type: `message.${change}`, conversationId: stored.conversationId, seq: stored.seq, message: viewOf(stored) };
    return {
      type: 'message',
      change,
      messageId: stored.id,
      seq: stored.seq,
      version: stored.version,
      membersVersion: conversation?.membersVersion ?? 0,
      atMs: Date.now(),
      frame: JSON.stringify(frame),
    };
  }

  async tell(message: Message, change: MessageSignal['change'] = 'created'): Promise<void> {
    await this.publish(message.conversationId, this.signalOf(message, change));
  }

  async publish(conversationId: string, ...signals: ConversationSignal[]): Promise<void> {
    await this.fanOut.publish([{ conversationId, signals }]);
  }

  async tellMembers(conversationId: string): Promise<void> {
    await this.publish(conversationId, {
      type: 'members',
      membersVersion: this.archive.conversations.get(conversationId)?.membersVersion ?? 0,
    });
  }
}
