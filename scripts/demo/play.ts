import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StageState } from '#lib/contracts/http';
import { eventually } from '#lib/testing/eventually';
import { type ParleyClient, persistently } from '#lib/testing/parley-client';
import type { Conversation } from './conversation.js';
import type { LiveUser } from './live-user.js';

/** One person of the conversation: over REST, and with a socket. */
export interface Person {
  readonly name: string;
  readonly rest: ParleyClient;
  readonly live: LiveUser;
}

/** One message of the conversation as it went through Parley. Times in milliseconds. */
export interface PlayedMessage {
  readonly id: string;
  readonly seq: number;
  readonly sender: string;
  readonly content: string;
  readonly over: 'REST' | 'WebSocket';
  /** From sending the message to its 202 or `ack`. */
  readonly ackMs: number;
  /** From the acknowledgement to the last socket of the others who were connected; null when it did not come in time. */
  deliveredMs: number | null;
  /** From the acknowledgement to `pipeline.embedding` being `done`, as seen by asking; null while pending and after a failure. */
  searchableMs: number | null;
  embedding: StageState;
  /** The same for `pipeline.scoring`: its signals (question, mood, language) are there. */
  signalsMs: number | null;
  scoring: StageState;
}

/** One person lost the network in the middle of the conversation, and came back. */
export interface PlayedOutage {
  readonly user: string;
  readonly on: string;
  /** What the user had when the network went, and when everything was there again. */
  readonly seqBefore: number;
  readonly seqAfter: number;
  /** Whether everything in between was shown, once and in order. */
  readonly isWhole: boolean;
  /** From the network being there again to the last missed message, reconnecting included; null: it did not come in time. */
  readonly resumedAfterMs: number | null;
}

/** Told what happens while it happens. */
export interface Audience {
  sent(message: PlayedMessage): void;
  embedded(message: PlayedMessage): void;
  /** Its signals failed, or no app makes them. */
  unscored(message: PlayedMessage): void;
  lost(user: string, on: string, seq: number): void;
  resumed(outage: PlayedOutage): void;
}

/** Between two messages: fast for people, and four users at this pace stay below the default of 5 requests per second each. */
const PACE_MS = 200;
/** Between two looks at the pipeline, in milliseconds; the users take turns, so each asks about three times per second. */
export const LOOK_EVERY_MS = 80;
const GIVE_UP_AFTER_MS = 60_000;
/** Far more than a message takes; also as long as a process needs that lost Redis and looks into Postgres every 2 s. */
const DELIVERED_WITHIN_MS = 10_000;
/** Plays the conversation as live users, one message after the other, and watches the pipeline from the side until each is through, or failed. */
export async function play(
  { title, messages }: Conversation,
  people: ReadonlyMap<string, Person>,
  audience: Audience,
): Promise<{ conversationId: string; played: PlayedMessage[]; outage: PlayedOutage | undefined }> {
  const [host = fail('the conversation has no members')] = people.values();
  const { id: conversationId } = await persistently(() => host.rest.createConversation({ title, memberIds: [...people.keys()] }));
  for (const { live } of people.values()) live.socket.follow({ conversationId, seq: 0 });
  const watch = new PipelineWatch(conversationId, [...people.values()], audience);
  const watching = watch.untilAllSettled();
  watching.catch(() => undefined); // awaited below; a failure of the sends comes first
  const silence = longestSilence(messages.map(({ sender }) => sender));
  const drop = new Drop((people.get(silence.sender) ?? host).live, audience);
  try {
    for (const [i, { sender, content }] of messages.entries()) {
      if (i === silence.from) await drop.begin();
      if (i === silence.to) await drop.end(i);
      const person = people.get(sender) ?? fail(`${sender} does not take part`);
      const others = [...people.values()].filter(({ name, live }) => name !== sender && live.isOnline);
      const message = await send(person, people, conversationId, content);
      const ackedAt = performance.now();
      watch.follow(message);
      message.deliveredMs = await delivered(message.seq, ackedAt, others);
      audience.sent(message);
      await sleep(PACE_MS);
    }
    await drop.end(messages.length);
  } finally {
    watch.noMoreToCome();
  }
  await watching;
  return { conversationId, played: watch.all, outage: drop.outage };
}

/** The longest part of a conversation in which one of its senders says nothing: indexes `from` to `to`, without the first quarter. */
export function longestSilence(senders: readonly string[]): { sender: string; from: number; to: number } {
  let longest = { sender: senders[0] ?? '', from: 0, to: 0 };
  for (const sender of new Set(senders)) {
    let from = Math.ceil(senders.length / 4);
    for (let to = from; to <= senders.length; to += 1) {
      if (to < senders.length && senders[to] !== sender) continue;
      if (to - from > longest.to - longest.from) longest = { sender, from, to };
      from = to + 1;
    }
  }
  return longest;
}

/** Half of the people send over their sockets, the others over REST. */
async function send(person: Person, people: ReadonlyMap<string, Person>, conversationId: string, content: string): Promise<PlayedMessage> {
  const isFirstHalf = [...people.keys()].indexOf(person.name) < people.size / 2;
  const over = isFirstHalf && person.live.isOnline ? 'WebSocket' : 'REST';
  const acknowledged = await (over === 'REST' ? overRest : overSocket)(person, conversationId, content);
  return {
    ...acknowledged,
    sender: person.name,
    content,
    over,
    deliveredMs: null,
    searchableMs: null,
    embedding: 'pending',
    signalsMs: null,
    scoring: 'pending',
  };
}

/** Milliseconds until the last of them has it; null when one of them does not get it in time. */
async function delivered(seq: number, ackedAt: number, others: readonly Person[]): Promise<number | null> {
  const arrivals = await Promise.all(others.map(({ live }) => live.arrival(seq, DELIVERED_WITHIN_MS)));
  if (arrivals.includes(undefined)) return null;
  // It may be there before its sender has read the acknowledgement.
  return Math.max(0, ...arrivals.map((at = 0) => at - ackedAt));
}

async function overRest({ rest }: Person, conversationId: string, content: string) {
  const key = randomUUID();
  return persistently(async () => {
    const startedAt = performance.now();
    const { id, seq } = await rest.send(conversationId, content, key);
    return { id, seq, ackMs: performance.now() - startedAt };
  });
}

async function overSocket({ live }: Person, conversationId: string, content: string) {
  const startedAt = performance.now();
  const { id, seq } = await live.socket.send(conversationId, content);
  return { id, seq, ackMs: performance.now() - startedAt };
}

/** Takes one user's network away for a part of the conversation. */
class Drop {
  outage: PlayedOutage | undefined;
  private shownBefore: number | undefined;

  constructor(
    private readonly user: LiveUser,
    private readonly audience: Audience,
  ) {}

  async begin(): Promise<void> {
    const { name, place } = this.user;
    await this.user.loseNetwork();
    await eventually(() => {
      if (this.user.isOnline) throw new Error(`${name} is still connected`);
    });
    this.shownBefore = this.user.shown.length;
    this.audience.lost(name, place.name, this.user.lastSeq);
  }

  /** @param newestSeq what the user has to have afterwards. */
  async end(newestSeq: number): Promise<void> {
    const { name, place } = this.user;
    if (this.shownBefore === undefined || this.outage !== undefined) return;
    const seqBefore = this.user.shown[this.shownBefore - 1] ?? 0;
    const startedAt = performance.now();
    await this.user.regainNetwork();
    const arrivedAt = await this.user.arrival(newestSeq, 2 * DELIVERED_WITHIN_MS);
    this.outage = {
      user: name,
      on: place.name,
      seqBefore,
      seqAfter: this.user.lastSeq,
      isWhole: this.user.shown.slice(this.shownBefore).every((seq, i) => seq === seqBefore + i + 1),
      resumedAfterMs: arrivedAt === undefined ? null : arrivedAt - startedAt,
    };
    this.audience.resumed(this.outage);
  }
}

/** Asks for the conversation again and again, as its members in turn, and notes when a message leaves `pending` in a stage. */
class PipelineWatch {
  readonly all: PlayedMessage[] = [];
  private readonly pending = new Map<string, { message: PlayedMessage; acceptedAt: number }>();
  private givesUpAt = Number.POSITIVE_INFINITY;

  constructor(
    private readonly conversationId: string,
    private readonly people: readonly Person[],
    private readonly audience: Audience,
  ) {}

  follow(message: PlayedMessage): void {
    this.all.push(message);
    this.pending.set(message.id, { message, acceptedAt: performance.now() });
  }

  /** From now on the watch ends when nothing is pending, or after a minute. */
  noMoreToCome(): void {
    this.givesUpAt = performance.now() + GIVE_UP_AFTER_MS;
  }

  async untilAllSettled(): Promise<void> {
    for (let turn = 0; this.givesUpAt === Number.POSITIVE_INFINITY || this.pending.size > 0; turn++) {
      if (performance.now() > this.givesUpAt) return; // what is still pending says so itself
      await sleep(LOOK_EVERY_MS);
      const person = this.people[turn % this.people.length];
      if (person !== undefined && this.pending.size > 0) await this.look(person);
    }
  }

  private async look({ rest }: Person): Promise<void> {
    const firstSeq = Math.min(...[...this.pending.values()].map(({ message }) => message.seq));
    const { items } = await persistently(() => rest.messages(this.conversationId, { afterSeq: firstSeq - 1, limit: 200 }));
    const now = performance.now();
    for (const { id, pipeline } of items) {
      const followed = this.pending.get(id);
      if (followed === undefined) continue;
      const { message, acceptedAt } = followed;
      const [wasEmbedding, wasScoring] = [message.embedding, message.scoring];
      message.embedding = pipeline.embedding;
      message.scoring = pipeline.scoring;
      if (pipeline.embedding === 'done') message.searchableMs ??= now - acceptedAt;
      if (pipeline.scoring === 'done') message.signalsMs ??= now - acceptedAt;
      if (pipeline.embedding !== 'pending' && pipeline.scoring !== 'pending') this.pending.delete(id);
      if (wasEmbedding !== pipeline.embedding) this.audience.embedded(message);
      if (wasScoring !== pipeline.scoring && pipeline.scoring !== 'done') this.audience.unscored(message);
    }
  }
}

function fail(reason: string): never {
  throw new Error(reason);
}
