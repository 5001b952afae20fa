import { Injectable } from '@nestjs/common';
import { newEvent, type PushDue } from '#lib/contracts/events';
import { type ConversationId, derivedId, type MessageId, type UserId } from '#lib/contracts/ids';
import { PresencePort } from '#lib/live/presence/presence.port';
import { DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import { MAX_AGE_MS } from './push.port.js';
import { type MemberDevice, type MemberPlace, PushStorePort } from './push-store.port.js';

/** A message that was created, as it is now. */
export interface CreatedMessage {
  readonly id: MessageId;
  readonly conversationId: ConversationId;
  readonly seq: number;
  readonly senderId: UserId;
  readonly createdAt: Date;
  readonly deletedAt?: Date | undefined;
}

/** Pages of members for one batch, 100,000 of them: some 0.5 s of Postgres. */
const MAX_PAGES = 50;
/** Pushes for one batch; as many devices have the members of the largest conversation when each has one. */
const MAX_PUSHES = 10_000;
/** Users whose presence is asked for at once. */
const USERS_AT_ONCE = 1_000;
/** After pushes to more devices than this a conversation is left alone, for so long per device: it takes at most half of the calls that a process makes. */
const LARGE = 1_000;
const QUIET_MS_PER_DEVICE = 4;
/** A conversation in which no member but the sender has a device is not asked about again for so long: most have none, and 10,000 members take 30 ms. */
const WITHOUT_DEVICE_MS = 1_000;
/** Conversations of either kind that are remembered. */
const MAX_QUIET = 10_000;

/** Finds the devices that a push is due on: those of members who are offline. */
@Injectable()
export class PlanPushes {
  /** Until when a conversation is left alone, in milliseconds of `performance.now()`: large ones by id, those without a device by id and sender. */
  private readonly quietUntil = new Map<string, number>();

  constructor(
    private readonly store: PushStorePort,
    private readonly presence: PresencePort,
  ) {}

  /**
   * One push per device and conversation of a batch of created messages, for the newest of them; none for the sender, for members who are online,
   * and for deleted messages. While Redis is away all members count as offline. @throws DependencyError when Postgres is out.
   */
  async for(messages: readonly CreatedMessage[]): Promise<PushDue[]> {
    const newest = this.newestOf(messages);
    if (newest.size === 0) return [];
    const { devices, isCut } = await this.devicesFor([...newest.values()]);
    // Of a batch that was cut short, some were not asked about.
    if (!isCut) this.rememberWithout(newest, devices);
    if (devices.length === 0) return [];
    const online = await this.onlineAmong(new Set(devices.map(({ userId }) => userId)));
    const told = devices.filter(({ userId }) => !online.has(userId));
    this.quieten(told);
    return told.flatMap((device) => pushDue(device, newest.get(device.conversationId)));
  }

  private newestOf(messages: readonly CreatedMessage[]): Map<ConversationId, CreatedMessage> {
    const newest = new Map<ConversationId, CreatedMessage>();
    for (const message of messages) {
      const { conversationId, seq, deletedAt, createdAt } = message;
      // An old message comes from an event that was replayed, or waited for an outage to end.
      const isNews = deletedAt === undefined && Date.now() - createdAt.getTime() < MAX_AGE_MS;
      if (!isNews || this.isQuiet(conversationId) || this.isQuiet(bySender(message)) || (newest.get(conversationId)?.seq ?? 0) > seq)
        continue;
      newest.set(conversationId, message);
    }
    return newest;
  }

  /** Small conversations first: those that do not end with their page are put aside, so that they use up nothing but their own. */
  private async devicesFor(
    messages: readonly CreatedMessage[],
  ): Promise<{ readonly devices: readonly MemberDevice[]; readonly isCut: boolean }> {
    const found: MemberDevice[] = [];
    let pages = 0;
    const pageOf = async (some: readonly CreatedMessage[], after: MemberPlace | undefined): Promise<MemberPlace | undefined> => {
      const { devices, next } = await this.store.devicesOf(some, after);
      found.push(...devices);
      pages += 1;
      return next;
    };
    const mayGoOn = () => pages < MAX_PAGES && found.length < MAX_PUSHES;

    const unfinished: MemberPlace[] = [];
    let rest = messages;
    while (rest.length > 0 && mayGoOn()) {
      const next = await pageOf(rest, undefined);
      if (next !== undefined) unfinished.push(next);
      rest = next === undefined ? [] : rest.filter(({ conversationId }) => conversationId > next.conversationId);
    }
    let isCut = rest.length > 0;
    for (const place of unfinished) {
      const ofIt = messages.filter(({ conversationId }) => conversationId === place.conversationId);
      let next: MemberPlace | undefined = place;
      while (next !== undefined && mayGoOn()) next = await pageOf(ofIt, next);
      isCut ||= next !== undefined;
    }
    if (isCut) metrics.pushes.inc({ provider: 'unknown', outcome: 'shed' });
    return { devices: found, isCut };
  }

  private async onlineAmong(users: ReadonlySet<UserId>): Promise<Set<UserId>> {
    const all = [...users];
    const online = new Set<UserId>();
    try {
      for (let from = 0; from < all.length; from += USERS_AT_ONCE) {
        const presence = await this.presence.of(all.slice(from, from + USERS_AT_ONCE));
        for (const [userId, { online: isOnline }] of presence) if (isOnline) online.add(userId);
      }
    } catch (error) {
      // A push too many is read and gone, one too few is a message that is missed.
      if (!(error instanceof DependencyError)) throw error;
    }
    return online;
  }

  private isQuiet(key: string): boolean {
    const until = this.quietUntil.get(key);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.quietUntil.delete(key);
    return false;
  }

  private quieten(devices: readonly MemberDevice[]): void {
    if (devices.length <= LARGE) return;
    for (const [conversationId, { length }] of Map.groupBy(devices, (device) => device.conversationId)) {
      if (length > LARGE) this.leaveAlone(conversationId, length * QUIET_MS_PER_DEVICE);
    }
  }

  private rememberWithout(newest: ReadonlyMap<ConversationId, CreatedMessage>, devices: readonly MemberDevice[]): void {
    const having = new Set(devices.map(({ conversationId }) => conversationId));
    for (const [conversationId, message] of newest) {
      if (!having.has(conversationId)) this.leaveAlone(bySender(message), WITHOUT_DEVICE_MS);
    }
  }

  private leaveAlone(key: string, ms: number): void {
    this.quietUntil.delete(key); // so that it is the newest again
    this.quietUntil.set(key, performance.now() + ms);
    const [oldest] = this.quietUntil.keys();
    if (oldest !== undefined && this.quietUntil.size > MAX_QUIET) this.quietUntil.delete(oldest);
  }
}

/** Another sender may be the only one with a device. */
const bySender = ({ conversationId, senderId }: CreatedMessage): string => `${conversationId} ${senderId}`;

/** Its id is the same each time: a batch that comes again names the same pushes. */
function pushDue({ conversationId, userId, deviceId }: MemberDevice, message: CreatedMessage | undefined): PushDue[] {
  if (message === undefined) return [];
  const eventId = derivedId('push.due', message.id, userId, deviceId);
  return [newEvent('push.due', { conversationId, messageId: message.id, seq: message.seq, userId, deviceId }, { eventId })];
}
