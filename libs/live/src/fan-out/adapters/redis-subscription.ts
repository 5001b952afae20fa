import type { Redis } from 'ioredis';
import type { z } from 'zod';
import { ConversationSignal, UserSignal } from '#lib/contracts/live';
import { batchPerTick } from '#lib/resilience/load/batch-per-tick';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { withTimeLimit } from '#lib/runtime/work/within';
import { type SignalListener, SubscriptionPort, type Topics } from '../subscription.port.js';
import { conversationChannel, topicOf, userChannel } from './redis-channels.js';

/** A dead connection is known after at most the two together; healing within 12 s leaves as much again to connect and follow. */
const PING_EVERY_MS = 3_000;
const PONG_WITHIN_MS = 2_000;
/** Channels of one SSUBSCRIBE: Redis serves others between two. */
const CHANNELS_PER_COMMAND = 500;
/** A message of ours is 250,000 characters, or one signal; a larger one is not parsed. */
const MAX_MESSAGE_CHARS = 4_000_000;

/** How {@link RedisSubscription} wants its connection: without a time limit per command, because its pings find out that a connection is dead. */
export const SUBSCRIBER = { autoResubscribe: false, commandTimeout: undefined } as const;

/** What waits for the end of the turn: channels that were taken up or left, and who waits until they are followed. */
interface Touched {
  readonly channels: readonly string[];
  readonly done?: () => void;
}

/**
 * SSUBSCRIBE on a connection of its own. ioredis connects again by itself; what was followed is followed again here, in bounded steps, because
 * ioredis would send a command per channel and not say when the last one is through.
 *
 *     lost ── connected ──▶ restoring ── every channel confirmed ──▶ live (onRestored)
 *      ▲                        │                                       │
 *      └─ closed, no pong, refused: tried again ◀───────────────────────┘ (onLost)
 */
export class RedisSubscription extends SubscriptionPort {
  private state: 'lost' | 'restoring' | 'live' = 'lost';
  private listener: SignalListener | undefined;
  private readonly wanted = new Set<string>();
  /** Channels whose SSUBSCRIBE was sent on this connection. */
  private sent = new Set<string>();
  /** The last command about channels: Redis answers in order, so all before it are through when it is. */
  private last: Promise<unknown> = Promise.resolve();
  /** Of something that arrived, by `performance.now()`. */
  private heardAt = 0;
  private isPinging = false;
  /** Why it is lost, as it was logged. */
  private lostBy: string | undefined;
  private readonly pings: NodeJS.Timeout;
  private readonly touch = batchPerTick<Touched>((items) => void this.settle(items));

  /** @param redis connected as {@link SUBSCRIBER} says. */
  constructor(
    private readonly redis: Redis,
    private readonly logger: Logger,
  ) {
    super();
    metrics.liveSubscriptionUp.set(0);
    redis.on('ready', () => void this.restore());
    redis.on('close', () => this.lose('closed'));
    redis.on('smessage', (channel: string, text: string) => this.hear(channel, text));
    this.pings = setInterval(() => void this.ping(), PING_EVERY_MS);
  }

  get isLive(): boolean {
    return this.state === 'live';
  }

  listen(listener: SignalListener): void {
    this.listener = listener;
  }

  async follow(topics: Topics): Promise<void> {
    const channels = channelsOf(topics);
    for (const channel of channels) this.wanted.add(channel);
    // While it is restored, its loop follows what is added.
    if (this.state !== 'live' || channels.length === 0) return;
    await new Promise<void>((done) => this.touch({ channels, done }));
  }

  unfollow(topics: Topics): void {
    const channels = channelsOf(topics);
    for (const channel of channels) this.wanted.delete(channel);
    if (this.state !== 'lost') this.touch({ channels });
  }

  /** Ends the connection; the listener hears nothing more. */
  stop(): void {
    clearInterval(this.pings);
    this.listener = undefined;
    this.redis.disconnect();
  }

  /** Brings what Redis knows in line with what is wanted, for the channels that were touched in one turn. */
  private async settle(items: readonly Touched[]): Promise<void> {
    const channels = new Set(items.flatMap((item) => item.channels));
    if (this.state !== 'lost') {
      const left = [...channels].filter((channel) => !this.wanted.has(channel) && this.sent.has(channel));
      for (const part of partsOf(left)) void this.leave(part);
    }
    if (this.state === 'live') {
      const taken = [...channels].filter((channel) => this.wanted.has(channel) && !this.sent.has(channel));
      for (const part of partsOf(taken)) this.last = this.take(part);
      await this.last;
    }
    for (const { done } of items) done?.();
  }

  /** Never rejects: a connection that refuses is lost, and what is wanted is followed when it is restored. */
  private async take(channels: readonly string[]): Promise<void> {
    const { sent } = this;
    for (const channel of channels) sent.add(channel);
    try {
      await this.redis.ssubscribe(...channels);
    } catch (error) {
      if (sent === this.sent) this.lose((error as Error).message);
    }
  }

  private async leave(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.sent.delete(channel);
    try {
      await this.redis.sunsubscribe(...channels);
    } catch {
      // The connection is gone, and its channels with it.
    }
  }

  private async restore(): Promise<void> {
    const startedAt = performance.now();
    const sent = new Set<string>();
    this.sent = sent;
    this.state = 'restoring';
    for (;;) {
      const missing = [...this.wanted].filter((channel) => !sent.has(channel));
      if (missing.length === 0) break;
      for (const part of partsOf(missing)) {
        await this.take(part);
        if (this.sent !== sent) return;
      }
    }
    this.state = 'live';
    this.lostBy = undefined;
    metrics.liveSubscriptionUp.set(1);
    this.logger.info({ topics: sent.size, durationMs: Math.round(performance.now() - startedAt) }, 'live subscription is up');
    this.listener?.onRestored();
  }

  private lose(reason: string): void {
    const wasLive = this.isLive;
    this.state = 'lost';
    this.sent = new Set();
    metrics.liveSubscriptionUp.set(0);
    if (reason !== this.lostBy) this.logger.warn({ reason }, 'no live subscription: sockets are fed from Postgres until it is back');
    this.lostBy = reason;
    if (wasLive) this.listener?.onLost();
  }

  /** Silence for {@link PONG_WITHIN_MS} after a PING is the end of a connection. Data that flows answers as well as the pong behind it. */
  private async ping(): Promise<void> {
    if (this.redis.status !== 'ready' || this.isPinging) return;
    if (this.state === 'lost') return this.restore();
    this.isPinging = true;
    const askedAt = performance.now();
    const answered = this.redis.ping().then(yes, yes); // a rejection comes with the close of the connection
    // When our own loop stood still, what has arrived meanwhile is read before that is decided.
    const isAlive = () => withTimeLimit(1, answered, () => this.heardAt > askedAt);
    if (!(await withTimeLimit(PONG_WITHIN_MS, answered, isAlive))) {
      this.lose('no pong');
      this.redis.disconnect(true);
    }
    this.isPinging = false;
  }

  private hear(channel: string, text: string): void {
    this.heardAt = performance.now();
    const topic = this.wanted.has(channel) ? topicOf(channel) : undefined;
    if (topic === undefined) return;
    if (topic.kind === 'conversation') {
      const signals = parsed(text, ConversationSignal);
      if (signals.length > 0) this.listener?.onConversation(topic.id, signals);
    } else {
      const signals = parsed(text, UserSignal);
      if (signals.length > 0) this.listener?.onUser(topic.id, signals);
    }
  }
}

const yes = () => true;

const channelsOf = ({ conversations = [], users = [] }: Topics): string[] => [
  ...conversations.map(conversationChannel),
  ...users.map(userChannel),
];

function* partsOf(channels: readonly string[]): Generator<readonly string[]> {
  for (let i = 0; i < channels.length; i += CHANNELS_PER_COMMAND) yield channels.slice(i, i + CHANNELS_PER_COMMAND);
}

/** The signals that can be read; others are counted. A newer version may send some that this one does not know. */
const parsed = <T>(text: string, schema: z.ZodType<T>): T[] => {
  const signals: T[] = [];
  for (const item of arrayOf(text)) {
    const { success, data } = schema.safeParse(item);
    if (success) signals.push(data);
    else metrics.liveSignalsDropped.inc();
  }
  return signals;
};

const arrayOf = (text: string): readonly unknown[] => {
  try {
    const value: unknown = text.length > MAX_MESSAGE_CHARS ? undefined : JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // Counted below, as anything else that is no list.
  }
  metrics.liveSignalsDropped.inc();
  return [];
};
