import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { UserId } from '#lib/contracts/ids';
import type { Breakers } from '#lib/resilience/call/breakers';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { NO_CALLER, runInScope } from '#lib/runtime/log/scope';
import { metrics } from '#lib/runtime/metrics/metrics';
import { withTimeLimit } from '#lib/runtime/work/within';
import { ABSENT_MS, type Presence, type PresenceChange, PresencePort } from '../presence.port.js';
import { LocalSessions } from './local-sessions.js';
import { type WithPresence, withPresence } from './presence-scripts.js';

/** Times of the lease, in milliseconds. */
export interface LeaseTimes {
  readonly beatMs: number;
  /** Sessions of a process that was silent for longer are not counted: when it was killed, its users come back at once, with as many sockets. */
  readonly countMs: number;
  readonly leaseMs: number;
  readonly graceMs: number;
}

/** The users of a dead process are announced as offline at most lease + grace + beat = 13 s after its last heartbeat. */
export const LEASE: LeaseTimes = { beatMs: 1_000, countMs: 2_500, leaseMs: 10_000, graceMs: 2_000 };
// A hello waits for its count no longer than for any other answer of Redis (docs/concepts/resilience.md).
const CALL_TIMEOUT_MS = 250;
// Below what is left of a lease when Redis is back: presence must not end because a breaker still waits.
const RESET_MS = 1_000;
/** Users of one script: at some 5 us each others wait for 3 ms. */
const USERS_PER_CALL = 500;
/** Scripts of one sweep; what is left waits for the next heartbeat. */
const SWEEPS_PER_BEAT = 100;
/** Users whose change could not be written. With more it is cheaper to register again and write all. */
const MAX_UNWRITTEN = 50_000;
const OPERATION = 'presence';

/**
 * Presence as leases in Redis. What is true of this process stands in memory (LocalSessions); Redis is brought in line with it, the users that
 * changed since in one script at a time.
 *
 *                    ┌── heartbeat every beatMs ──┐
 *     unregistered ──┴─ register (a new id) ──▶ registered ── connection closed, or the lease has ended ──▶ unregistered
 *
 * Each registration has an id of its own and ends the one before: what that left in Redis counts no longer, and is swept like the users of a dead
 * process. So it does not matter what Redis has kept, lost or restored meanwhile, or what arrives there late.
 */
export class RedisPresence extends PresencePort {
  private readonly redis: WithPresence;
  private readonly call: DependencyCall;
  private readonly sessions = new LocalSessions(ABSENT_MS, (users) => this.write(users));
  private listener: (changes: readonly PresenceChange[]) => void = () => undefined;
  private heartbeats: NodeJS.Timeout | undefined;
  /** Of the current registration. */
  private id: string | undefined;
  private formerId = '';
  private registeredAt = 0;
  private isBeating = false;
  private isWriting = false;
  private readonly unwritten = new Set<UserId>();
  /** Who is online as this process has told. */
  private readonly announced = new Set<UserId>();
  private readonly entering = new Map<UserId, ((total: number | undefined) => void)[]>();

  /** @param prefix of all keys. */
  constructor(
    redis: Redis,
    breakers: Breakers,
    private readonly times: LeaseTimes = LEASE,
    private readonly prefix = 'parley:live:presence',
  ) {
    super();
    this.redis = withPresence(redis);
    this.call = new DependencyCall({ dependency: 'redis', operation: OPERATION, timeoutMs: CALL_TIMEOUT_MS, resetMs: RESET_MS }, breakers);
  }

  async enter(userId: UserId, sessionId: string): Promise<number> {
    this.start();
    this.sessions.enter(userId, sessionId);
    const total = this.id === undefined ? undefined : await withTimeLimit(CALL_TIMEOUT_MS, this.totalOf(userId), () => undefined);
    if (total !== undefined) return total;
    metrics.fallback.inc({ dependency: 'redis', operation: OPERATION });
    return this.sessions.countOf(userId) ?? 1;
  }

  async leave(userId: UserId, sessionId: string): Promise<void> {
    this.sessions.leave(userId, sessionId);
    this.write([userId]);
  }

  async of(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, Presence>> {
    const known = new Map<UserId, Presence>();
    for (let i = 0; i < userIds.length; i += USERS_PER_CALL) {
      const users = userIds.slice(i, i + USERS_PER_CALL);
      const answer = await this.call.run(() => this.redis.presenceOf(1, this.prefix, this.times.leaseMs, ...users));
      for (const [j, userId] of users.entries()) {
        const seen = answer[2 * j + 1];
        const isHere = this.sessions.countOf(userId) !== undefined;
        known.set(userId, { online: isHere || answer[2 * j] === 1, lastSeenAt: seen ? new Date(Number(seen)) : null });
      }
    }
    return known;
  }

  async forget(userId: UserId): Promise<boolean> {
    return (await this.call.run(() => this.redis.del(`${this.prefix}:seen:${userId}`))) > 0;
  }

  onChange(listener: (changes: readonly PresenceChange[]) => void): void {
    this.listener = listener;
    this.start();
  }

  /** Ends the lease. Users that do not come back elsewhere are announced as offline by a process that lives. */
  async stop(): Promise<void> {
    const { id } = this;
    clearInterval(this.heartbeats);
    this.sessions.stop();
    this.unregister();
    this.redis.off('ready', this.beat).off('close', this.unregister);
    if (id === undefined) return;
    await this.call.runOr(
      () => this.redis.presenceEnd(1, this.prefix, this.times.leaseMs, id),
      () => undefined,
    );
  }

  /** A process that only asks has no lease. */
  private start(): void {
    if (this.heartbeats !== undefined) return;
    this.heartbeats = setInterval(this.beat, this.times.beatMs);
    this.redis.on('ready', this.beat).on('close', this.unregister);
    this.beat();
  }

  private readonly beat = (): void => {
    if (this.isBeating || this.redis.status !== 'ready') return;
    this.isBeating = true;
    void runInScope(NO_CALLER, () => this.renewLease());
  };

  private async renewLease(): Promise<void> {
    try {
      if (this.id === undefined) await this.register();
      else await this.renew(this.id);
      this.write([]);
    } catch {
      // Measured by the call. The lease ends or is renewed by the next heartbeat.
    }
    this.isBeating = false;
  }

  private async renew(id: string): Promise<void> {
    const { leaseMs, graceMs } = this.times;
    // A lease that has not ended shows that Redis was not away for long; right after a registration others that live may not be back yet.
    const maySweep = performance.now() - this.registeredAt >= leaseMs ? 1 : 0;
    for (let sweeps = 0; sweeps < SWEEPS_PER_BEAT; sweeps += 1) {
      const [isRegistered, isMoreLikely, ...offline] = await this.call.run(() =>
        this.redis.presenceBeat(1, this.prefix, leaseMs, graceMs, id, maySweep, USERS_PER_CALL),
      );
      if (isRegistered === 0) return this.register();
      if (offline.length > 0) this.listener(offline.map((userId) => ({ userId, online: false })));
      if (isMoreLikely === 0) return;
    }
  }

  private async register(): Promise<void> {
    const { leaseMs, graceMs } = this.times;
    this.unregister();
    const id = randomUUID();
    const fate = await this.call.run(() => this.redis.presenceRegister(1, this.prefix, leaseMs, graceMs, id, this.formerId));
    this.id = id;
    this.formerId = id;
    this.registeredAt = performance.now();
    for (const userId of [...this.sessions.users, ...this.announced]) this.unwritten.add(userId);
    // Others have announced them as offline. When Redis has merely forgotten them, their coming online is no news.
    if (fate === 2) this.announced.clear();
  }

  private readonly unregister = (): void => {
    this.id = undefined;
    this.unwritten.clear(); // whatever was to be written is written with all others after the next registration
    this.answerLocally();
  };

  private totalOf(userId: UserId): Promise<number | undefined> {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const waiting = this.entering.get(userId);
    if (waiting === undefined) this.entering.set(userId, [resolve]);
    else waiting.push(resolve);
    this.write([userId]);
    return promise;
  }

  private answerLocally(): void {
    for (const waiting of this.entering.values()) for (const answer of waiting) answer(undefined);
    this.entering.clear();
  }

  /** Writes what is true of these users, and what could not be written before, with all others of this turn. */
  private write(users: readonly UserId[]): void {
    if (this.id === undefined) return;
    for (const userId of users) this.unwritten.add(userId);
    if (this.isWriting || this.unwritten.size === 0) return;
    this.isWriting = true;
    runInScope(NO_CALLER, () => setImmediate(() => void this.writeAll()));
  }

  private async writeAll(): Promise<void> {
    for (;;) {
      const users = firstOf(this.unwritten, USERS_PER_CALL);
      if (this.id === undefined || users.length === 0 || !(await this.writeSome(this.id, users))) break;
    }
    this.isWriting = false;
    this.answerLocally();
  }

  /** @returns whether it was written. */
  private async writeSome(id: string, users: readonly UserId[]): Promise<boolean> {
    const waiting = users.map((userId) => this.entering.get(userId) ?? []);
    for (const userId of users) {
      this.unwritten.delete(userId);
      this.entering.delete(userId);
    }
    const { leaseMs, countMs } = this.times;
    const counts = users.map((userId) => this.sessions.countOf(userId) ?? -1);
    let answer: readonly number[] = [];
    try {
      const values = users.flatMap((userId, i) => [userId, counts[i] ?? -1, this.announced.has(userId) ? 1 : 0]);
      answer = await this.call.run(() => this.redis.presencePut(1, this.prefix, leaseMs, countMs, id, ...values));
    } catch {
      // Measured by the call; written again with the next change, at the latest after the next heartbeat.
    }
    for (const [i, answers] of waiting.entries()) {
      const total = answer[2 * i];
      // Those who entered at once each have the place in which they came.
      for (const [place, tell] of answers.entries())
        tell(total === undefined ? undefined : Math.max(1, total - (answers.length - 1 - place)));
    }
    if (answer.length === 0) {
      if (this.id === id) for (const userId of users) this.unwritten.add(userId);
      if (this.unwritten.size > MAX_UNWRITTEN) this.unregister();
      return false;
    }
    this.announce(users, counts, answer);
    return true;
  }

  private announce(users: readonly UserId[], counts: readonly number[], answer: readonly number[]): void {
    const changes: PresenceChange[] = [];
    for (const [i, userId] of users.entries()) {
      const change = answer[2 * i + 1];
      if (change !== 0) changes.push({ userId, online: change === 1 });
      if (counts[i] === -1) this.announced.delete(userId);
      else this.announced.add(userId);
    }
    if (changes.length > 0) this.listener(changes);
  }
}

const firstOf = <T>(items: Iterable<T>, count: number): T[] => {
  const first: T[] = [];
  for (const item of items) {
    if (first.length === count) break;
    first.push(item);
  }
  return first;
};
