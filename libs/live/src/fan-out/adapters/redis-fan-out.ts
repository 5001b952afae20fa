import type { Redis } from 'ioredis';
import type { Breakers } from '#lib/resilience/call/breakers';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { type ConversationPost, FanOutPort, type UserPost } from '../fan-out.port.js';
import { conversationChannel, userChannel } from './redis-channels.js';

// What Redis may take where a person waits (docs/concepts/resilience.md).
const PUBLISH_TIMEOUT_MS = 250;
// Subscribers are back within a second of Redis: signals must flow again as soon, or each conversation waits for a look at Postgres.
const RESET_MS = 1_000;
/** Characters in flight at once: Redis copies a message for every follower, and a pipeline must be written within its time. */
const PIPELINE_CHARS = 1_000_000;
/** Characters of one message; a single signal may be larger. */
const MESSAGE_CHARS = 250_000;

/** SPUBLISH with a JSON array of signals, many posts in one round trip. */
export class RedisFanOut extends FanOutPort {
  private readonly call: DependencyCall;

  constructor(
    private readonly redis: Redis,
    breakers: Breakers,
  ) {
    super();
    this.call = new DependencyCall(
      { dependency: 'redis', operation: 'publish', timeoutMs: PUBLISH_TIMEOUT_MS, resetMs: RESET_MS },
      breakers,
    );
  }

  async publish(posts: readonly (ConversationPost | UserPost)[]): Promise<void> {
    for (const messages of pipelinesOf(posts)) await this.call.run(() => this.send(messages));
  }

  private async send(messages: readonly Message[]): Promise<void> {
    const pipeline = this.redis.pipeline();
    for (const { channel, text } of messages) pipeline.spublish(channel, text);
    const replies = (await pipeline.exec()) ?? [];
    for (const [error] of replies) if (error !== null) throw error;
  }
}

interface Message {
  readonly channel: string;
  readonly text: string;
}

/** The messages of the posts in their order, in parts of bounded size. */
function* pipelinesOf(posts: readonly (ConversationPost | UserPost)[]): Generator<readonly Message[]> {
  let messages: Message[] = [];
  let chars = 0;
  for (const post of posts) {
    for (const message of messagesOf(post)) {
      if (messages.length > 0 && chars + message.text.length > PIPELINE_CHARS) {
        yield messages;
        messages = [];
        chars = 0;
      }
      messages.push(message);
      chars += message.text.length;
    }
  }
  if (messages.length > 0) yield messages;
}

function* messagesOf(post: ConversationPost | UserPost): Generator<Message> {
  const channel = 'conversationId' in post ? conversationChannel(post.conversationId) : userChannel(post.userId);
  let texts: string[] = [];
  let chars = 0;
  for (const signal of post.signals) {
    const text = JSON.stringify(signal);
    if (texts.length > 0 && chars + text.length > MESSAGE_CHARS) {
      yield { channel, text: `[${texts.join(',')}]` };
      texts = [];
      chars = 0;
    }
    texts.push(text);
    chars += text.length;
  }
  if (texts.length > 0) yield { channel, text: `[${texts.join(',')}]` };
}
