import { SOCKET_PATH } from '#lib/contracts/socket';
import { percentilesOf, type Percentiles } from '#lib/testing/percentiles';
import type { RunningParley } from '#lib/testing/running-parley';
import { LoadBalancer } from './load-balancer.js';
import { Member } from './member.js';

/** One acknowledged message on its way to its members. Times of `performance.now()`. */
interface Delivery {
  acknowledgedAt?: number;
  count: number;
  lastAt: number;
}

/** Users with sockets on two realtime processes behind a load balancer, and when each message reached the last of them. */
export class Members {
  readonly all: readonly Member[];
  private readonly deliveries = new Map<string, Delivery>();

  private constructor(
    private readonly balancer: LoadBalancer,
    parley: RunningParley,
    users: readonly string[],
    conversationIds: readonly string[],
  ) {
    const url = `ws://127.0.0.1:${balancer.port}${SOCKET_PATH}`;
    const onCreated = (messageId: string) => this.arrived(messageId);
    this.all = users.map((user) => new Member(user, { url, token: () => parley.tokenOf({ user }), conversationIds, onCreated }));
  }

  static async connect(parley: RunningParley, users: readonly string[], conversationIds: readonly string[]): Promise<Members> {
    const second = parley.seconds.realtime;
    const balancer = await LoadBalancer.before([parley.realtime.url, ...(second === undefined ? [] : [second.url])]);
    const members = new Members(balancer, parley, users, conversationIds);
    await Promise.all(members.all.map(({ socket }) => socket.connect()));
    return members;
  }

  /** A sender has the answer. */
  acknowledged(messageId: string): void {
    this.of(messageId).acknowledgedAt = performance.now();
  }

  /** From the answer to the last member, of messages that were acknowledged in this span; those that are still on their way do not count. */
  waitsBetween(from: number, to: number): Percentiles {
    const isThen = (at: number | undefined): at is number => at !== undefined && at >= from && at < to;
    return percentilesOf(
      [...this.deliveries.values()].flatMap(({ acknowledgedAt, count, lastAt }) =>
        isThen(acknowledgedAt) && count === this.all.length ? [Math.max(0, lastAt - acknowledgedAt)] : [],
      ),
    );
  }

  /** When the first message that was acknowledged after `since` had reached every member. */
  firstWholeAfter(since: number): number | undefined {
    const times = [...this.deliveries.values()].flatMap(({ acknowledgedAt = 0, count, lastAt }) =>
      acknowledgedAt >= since && count === this.all.length ? [lastAt] : [],
    );
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Messages acknowledged before `at` that some member lacks. */
  lackedAt(at: number): number {
    let count = 0;
    for (const { acknowledgedAt = at, count: have } of this.deliveries.values())
      if (acknowledgedAt < at && have < this.all.length) count += 1;
    return count;
  }

  /** After a process was away: half of the members come back to it, so that the next fault has sockets to hit. */
  spread(): void {
    this.balancer.spread();
  }

  async stop(): Promise<void> {
    for (const member of this.all) member.close();
    await this.balancer.stop();
  }

  private arrived(messageId: string): void {
    const delivery = this.of(messageId);
    delivery.count += 1;
    delivery.lastAt = performance.now();
  }

  private of(messageId: string): Delivery {
    const found = this.deliveries.get(messageId);
    if (found !== undefined) return found;
    const delivery = { count: 0, lastAt: 0 };
    this.deliveries.set(messageId, delivery);
    return delivery;
  }
}
