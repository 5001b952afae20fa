import { Injectable } from '@nestjs/common';
import { traceparentOf } from '#lib/bus/consume/run/trace';
import type { EventOf, MessageEvent, PushDue, ScoreUpdated } from '#lib/contracts/events';
import type { queues } from '#lib/contracts/pipeline';
import { DeliveryLedgerPort } from '#lib/conversations/delivery-ledger.port';
import { FanOutPort } from '#lib/live/fan-out/fan-out.port';
import { metrics } from '#lib/runtime/metrics/metrics';
import { CurrentConversationsPort, type CurrentMessage, type Members, type Membership } from './current-conversations.port.js';
import { PlanPushes } from './push/plan-pushes.js';
import { grouped, indexedPost, joinedPosts, membersPost, messagePost, type Post, receiptPost, scorePost } from './signals.js';

/** What this process hears. */
export type DeliveryEvent = EventOf<(typeof queues)['delivery.messages']['hears'][number]>;
/** What happened in conversations of Parley. */
type ConversationEvent = Exclude<DeliveryEvent, ScoreUpdated>;
type MemberEvent = EventOf<'member.added' | 'member.removed' | 'receipt.recorded'>;

/** What Postgres has of everything that a batch names. */
interface Truth {
  readonly messages: ReadonlyMap<string, CurrentMessage>;
  /** By {@link keyOf}. */
  readonly memberships: ReadonlyMap<string, Membership>;
  /** Of conversations that were started. */
  readonly members: ReadonlyMap<string, Members>;
}

/** A change of a message that happened, and the message as it is now. */
interface Change {
  readonly event: MessageEvent;
  readonly message: CurrentMessage;
}

/** Topics published to at once: the start of a conversation with 1,000 members must not hold up the messages of others. */
const POSTS_AT_ONCE = 500;

/**
 * Takes what happened in conversations to the open sockets of their members (R117, ruling C14, ADR 24). An event only names what changed; what is
 * sent comes from Postgres, so a forged, replayed or late event shows nothing that is not there.
 *
 *     read what is there -> publish to those who follow -> record as delivered -> name the pushes that are due
 *
 * Signals may repeat: who receives them drops what it has sent.
 */
@Injectable()
export class DeliverMessages {
  constructor(
    private readonly current: CurrentConversationsPort,
    private readonly fanOut: FanOutPort,
    private readonly deliveries: DeliveryLedgerPort,
    private readonly planPushes: PlanPushes,
  ) {}

  /** @returns the pushes that are due, one event each. @throws DependencyError when Postgres or Redis is out: nothing is lost, the batch comes again. */
  async handle(all: readonly DeliveryEvent[]): Promise<PushDue[]> {
    const events = all.filter(isOfConversation);
    const [truth, scores] = await Promise.all([this.read(events), this.readScores(all)]);
    await this.publish(grouped([...postsFor(events, truth), ...scores]));
    const changes = changesIn(events, truth);
    await this.record(changes);
    return this.planPushes.for(changes.filter(isCreation).map(({ message }) => message));
  }

  private async read(events: readonly ConversationEvent[]): Promise<Truth> {
    const messageIds = new Set(events.flatMap(({ data }) => ('messageId' in data ? [data.messageId] : [])));
    const keys = new Map(events.filter(isAboutMember).map(({ data }) => [keyOf(data), data]));
    const started = new Set(events.flatMap(({ type, conversationId }) => (type === 'conversation.created' ? [conversationId] : [])));
    const [messages, memberships, members] = await Promise.all([
      this.current.messages([...messageIds]),
      this.current.memberships([...keys.values()]),
      this.current.members([...started]),
    ]);
    return {
      messages,
      memberships: new Map(memberships.map((membership) => [keyOf(membership), membership])),
      members: new Map(members.map((each) => [each.conversationId, each])),
    };
  }

  private async readScores(all: readonly DeliveryEvent[]): Promise<Post[]> {
    const events = all.filter((event) => event.type === 'score.updated');
    const keys = new Map(
      events.map(({ data: { endId, userId, version } }) => [`${endId} ${version} ${userId}`, { endId, userId, version }]),
    );
    const scores = await this.current.scores([...keys.values()]);
    if (scores.length < keys.size) metrics.deliveryIgnored.inc({ type: 'score.updated' }, keys.size - scores.length);
    const traces = new Map(events.map((event) => [event.data.endId, traceparentOf(event)]));
    return scores.map((score) => scorePost(score, traces.get(score.endId)));
  }

  private async publish(posts: readonly Post[]): Promise<void> {
    for (let from = 0; from < posts.length; from += POSTS_AT_ONCE) await this.fanOut.publish(posts.slice(from, from + POSTS_AT_ONCE));
  }

  private async record(changes: readonly Change[]): Promise<void> {
    for (const { message } of changes.filter(isCreation)) measure(message.createdAt);
    // The version of the event, not the newest: the event of a newer one is still to come.
    await this.deliveries.record(
      changes.map(({ event: { data } }) => ({ messageId: data.messageId, version: data.version, state: 'delivered' })),
    );
  }
}

/** What is sent for a batch: each change once, messages in the order of their `seq`. */
function postsFor(events: readonly ConversationEvent[], truth: Truth): Post[] {
  const posts = new Map<string, Post[]>();
  for (const event of events.toSorted((one, other) => seqOf(one) - seqOf(other))) {
    const what = 'messageId' in event.data ? event.data.messageId : 'userId' in event.data ? keyOf(event.data) : event.conversationId;
    posts.set(`${event.type} ${what}`, postsOf(event, truth));
  }
  return [...posts.values()].flat();
}

function postsOf(event: ConversationEvent, { messages, memberships, members }: Truth): Post[] {
  switch (event.type) {
    case 'message.created':
    case 'message.edited':
    case 'message.deleted': {
      const message = messages.get(event.data.messageId);
      return message !== undefined && happened(event, message) ? [messagePost(event.type, message, traceparentOf(event))] : ignored(event);
    }
    case 'message.embedded': {
      const message = messages.get(event.data.messageId);
      return message === undefined ? ignored(event) : [indexedPost(message, traceparentOf(event))];
    }
    case 'conversation.created': {
      const all = members.get(event.conversationId);
      return all === undefined ? ignored(event) : joinedPosts({ ...all, headSeq: 0 });
    }
    case 'member.added': {
      const membership = memberships.get(keyOf(event.data));
      if (membership === undefined) return ignored(event);
      if (!membership.isMember) return [membersPost(membership)]; // removed again meanwhile
      const headSeq = Math.min(event.data.headSeq, membership.headSeq);
      return [...joinedPosts({ ...membership, headSeq, userIds: [membership.userId] }), membersPost(membership)];
    }
    case 'member.removed': {
      const membership = memberships.get(keyOf(event.data));
      return membership === undefined ? ignored(event) : [membersPost(membership)];
    }
    case 'receipt.recorded': {
      const membership = memberships.get(keyOf(event.data));
      return membership?.isMember === true ? [receiptPost(membership)] : ignored(event);
    }
    default:
      return event satisfies never;
  }
}

/** Whether the message went through this change: a forged event must not show a message as deleted. */
function happened({ type, data }: MessageEvent, { version, deletedAt }: CurrentMessage): boolean {
  return data.version <= version && (type !== 'message.deleted' || deletedAt !== undefined);
}

function changesIn(events: readonly ConversationEvent[], { messages }: Truth): Change[] {
  return events.filter(isAboutMessage).flatMap((event) => {
    const message = messages.get(event.data.messageId);
    return message !== undefined && happened(event, message) ? [{ event, message }] : [];
  });
}

/** Counts an event of what does not exist: erased or forged. Waiting is useless, an event is published after its commit. */
function ignored({ type }: DeliveryEvent): Post[] {
  metrics.deliveryIgnored.inc({ type });
  return [];
}

function measure(createdAt: Date): void {
  metrics.timeToFanOut.observe(Math.max(0, Date.now() - createdAt.getTime()) / 1_000);
}

const keyOf = ({ conversationId, userId }: { conversationId: string; userId: string }): string => `${conversationId} ${userId}`;
const seqOf = ({ data }: ConversationEvent): number => ('seq' in data ? data.seq : 0);
const isOfConversation = (event: DeliveryEvent): event is ConversationEvent => event.type !== 'score.updated';
const isAboutMember = (event: ConversationEvent): event is MemberEvent => 'userId' in event.data;
const isAboutMessage = (event: ConversationEvent): event is MessageEvent =>
  event.type === 'message.created' || event.type === 'message.edited' || event.type === 'message.deleted';
const isCreation = ({ event }: Change): boolean => event.type === 'message.created';
