import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StageState } from '#lib/contracts/http';
import { type ParleyClient, persistently } from '#lib/testing/parley-client';
import type { Conversation } from './conversation.js';

/** One message of the conversation as it went through Parley. Times in milliseconds. */
export interface PlayedMessage {
  readonly id: string;
  readonly seq: number;
  readonly sender: string;
  readonly content: string;
  /** From sending the request to its 202. */
  readonly ackMs: number;
  /** From the 202 to `pipeline.embedding` being `done`, as seen by asking; null while pending and after a failure. */
  searchableMs: number | null;
  embedding: StageState;
}

/** Told what happens while it happens. */
export interface Audience {
  accepted(message: PlayedMessage): void;
  embedded(message: PlayedMessage): void;
}

/** Between two messages: fast for people, and four users at this pace stay below the default of 5 requests per second each. */
const PACE_MS = 200;
/** Between two looks at the pipeline, in milliseconds; the users take turns, so each asks about three times per second. */
export const LOOK_EVERY_MS = 80;
const GIVE_UP_AFTER_MS = 60_000;

/** Plays the conversation as live users, one message after the other, and watches the pipeline from the side until each is embedded or failed. */
export async function play(
  { title, messages }: Conversation,
  users: ReadonlyMap<string, ParleyClient>,
  audience: Audience,
): Promise<{ conversationId: string; played: PlayedMessage[] }> {
  const [host = fail('the conversation has no members')] = users.values();
  const { id: conversationId } = await persistently(() => host.createConversation({ title, memberIds: [...users.keys()] }));
  const watch = new PipelineWatch(conversationId, [...users.values()], audience);
  const watching = watch.untilAllSettled();
  watching.catch(() => undefined); // awaited below; a failure of the sends comes first
  try {
    for (const { sender, content } of messages) {
      const client = users.get(sender) ?? fail(`${sender} does not take part`);
      watch.follow(await send(client, conversationId, sender, content, audience));
      await sleep(PACE_MS);
    }
  } finally {
    watch.noMoreToCome();
  }
  await watching;
  return { conversationId, played: watch.all };
}

async function send(client: ParleyClient, conversationId: string, sender: string, content: string, audience: Audience) {
  const key = randomUUID();
  const { stored, ackMs } = await persistently(async () => {
    const startedAt = performance.now();
    const stored = await client.send(conversationId, content, key);
    return { stored, ackMs: performance.now() - startedAt };
  });
  const message: PlayedMessage = {
    id: stored.id,
    seq: stored.seq,
    sender,
    content,
    ackMs,
    searchableMs: null,
    embedding: stored.pipeline.embedding,
  };
  audience.accepted(message);
  return message;
}

/** Asks for the conversation again and again, as its members in turn, and notes when a message leaves `pending`. */
class PipelineWatch {
  readonly all: PlayedMessage[] = [];
  private readonly pending = new Map<string, { message: PlayedMessage; acceptedAt: number }>();
  private isComplete = false;

  constructor(
    private readonly conversationId: string,
    private readonly users: readonly ParleyClient[],
    private readonly audience: Audience,
  ) {}

  follow(message: PlayedMessage): void {
    this.all.push(message);
    this.pending.set(message.id, { message, acceptedAt: performance.now() });
  }

  /** From now on the watch ends when nothing is pending. */
  noMoreToCome(): void {
    this.isComplete = true;
  }

  async untilAllSettled(): Promise<void> {
    const endsAt = performance.now() + GIVE_UP_AFTER_MS;
    for (let turn = 0; !this.isComplete || this.pending.size > 0; turn++) {
      if (performance.now() > endsAt) return; // what is still pending says so itself
      await sleep(LOOK_EVERY_MS);
      const user = this.users[turn % this.users.length];
      if (user !== undefined && this.pending.size > 0) await this.look(user);
    }
  }

  private async look(user: ParleyClient): Promise<void> {
    const firstSeq = Math.min(...[...this.pending.values()].map(({ message }) => message.seq));
    const { items } = await persistently(() => user.messages(this.conversationId, { afterSeq: firstSeq - 1, limit: 200 }));
    const now = performance.now();
    for (const { id, pipeline } of items) {
      const followed = this.pending.get(id);
      if (followed === undefined || pipeline.embedding === 'pending') continue;
      this.pending.delete(id);
      followed.message.embedding = pipeline.embedding;
      if (pipeline.embedding === 'done') followed.message.searchableMs = now - followed.acceptedAt;
      this.audience.embedded(followed.message);
    }
  }
}

function fail(reason: string): never {
  throw new Error(reason);
}
