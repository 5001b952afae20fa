import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DeadLetter,
  type DeadLetterDetail,
  type DeadLetterOrder,
  type DeadLetterOutcome,
  type DeadLetterPage,
  type DeadLetterQuery,
  MAX_DEAD_LETTERS,
} from '#lib/contracts/admin';
import { pipeline } from '#lib/contracts/pipeline';
import { ProblemError } from '#lib/contracts/problems';
import type { Logger } from '#lib/runtime/log/logger';
import { describeDeadLetter, describeInFull, forReplay, idOf, MAX_REPLAYS, matches, replaysOf } from './dead-letter.js';
import { DeadLettersPort, type HeldDeadLetters } from './dead-letters.port.js';
import type { PipelineRows } from '../topology.js';
import type { WireMessage } from '../wire-message.js';

/** Who operates, for the audit line: a user id, or user and machine of a terminal. */
export type Operator = string;

interface Deed {
  readonly name: 'replay' | 'discard';
  /** Why a letter is left alone, asked before anything is done. */
  readonly refusal: (letter: WireMessage, order: DeadLetterOrder) => string | undefined;
  /** @returns why it could not be done, and so not with the others either; undefined when it was done. */
  readonly execute: (letters: HeldDeadLetters, letter: WireMessage) => Promise<string | undefined>;
}

const LOOK_MS = 5_000;
const MAX_REFUSALS_TOLD = 100;
const MAX_DEATHS_TOLD = 100;
/** Replayed letters that are watched for their next death. */
const MAX_WATCHED = 1_000;
const WATCH_EVERY_MS = 500;
/** Ids in one audit line; what one order does beyond them has lines of its own. */
const MAX_IDS_LOGGED = 100;

/**
 * What operators do with dead letters: look, replay, discard. Everything else in the queue stays as it was. Each order is bounded in time;
 * what it did not get to is said in its outcome, and the same order with `next` in it goes on from there.
 */
export class DeadLetters {
  /** @param withinMs time for one order, beside opening and closing. */
  constructor(
    private readonly queues: DeadLettersPort,
    private readonly logger: Logger,
    private readonly withinMs = 20_000,
    private readonly rows: PipelineRows = pipeline,
  ) {}

  /** Up to `limit` dead letters that match, oldest first. @throws ProblemError `not-found` for an unknown queue; DependencyError. */
  async list({ queue, limit, ...filter }: DeadLetterQuery): Promise<DeadLetterPage> {
    const items: DeadLetter[] = [];
    const isComplete = await this.readAll(queue, (name, message) => {
      const letter = describeDeadLetter(name, message);
      if (!matches(letter, filter)) return 'go on';
      if (items.length === limit) return 'enough';
      items.push(letter);
      return 'go on';
    });
    return { items, isComplete };
  }

  /** The dead letter with this id, from this queue or from all; undefined when it is not there. @throws as {@link list}. */
  async find(id: string, queue?: string): Promise<DeadLetterDetail | undefined> {
    let found: DeadLetterDetail | undefined;
    await this.readAll(queue, (name, message) => {
      if (idOf(message) !== id) return 'go on';
      found = describeInFull(name, message);
      return 'enough';
    });
    return found;
  }

  /**
   * Sends dead letters back to the queue that gave up on them: same id and bytes, first attempt again. A letter that was replayed three times
   * is left where it is unless `force`. @throws as {@link list}.
   */
  async replay(order: DeadLetterOrder, by: Operator): Promise<DeadLetterOutcome> {
    const replayed = new Map<string, number>();
    const outcome = await this.carryOut(order, by, {
      name: 'replay',
      refusal: (letter, { force }) => (replaysOf(letter) < MAX_REPLAYS || force ? undefined : TOO_OFTEN),
      execute: async (letters, letter) => {
        const copy = forReplay(letter);
        const sent = await letters.sendBack(letter, copy);
        if (sent.kind !== 'confirmed') return `RabbitMQ: ${sent.kind}, ${sent.reason}`;
        if (replayed.size < MAX_WATCHED) replayed.set(idOf(letter), replaysOf(copy));
        return undefined;
      },
    });
    const { queue, watchSeconds = 0, dryRun } = order;
    if (watchSeconds === 0 || dryRun) return outcome;
    return { ...outcome, diedAgain: await this.deathsOf(replayed, queue, watchSeconds) };
  }

  /** Removes dead letters for good. @throws as {@link list}. */
  async discard(order: DeadLetterOrder, by: Operator): Promise<DeadLetterOutcome> {
    return this.carryOut(order, by, {
      name: 'discard',
      refusal: () => undefined,
      execute: async (letters, letter) => {
        letters.remove(letter);
        return undefined;
      },
    });
  }

  /** Looks for `seconds` whether letters come back with the replays that they were given. One that waits for its retries comes later. */
  private async deathsOf(replayed: ReadonlyMap<string, number>, queue: string, seconds: number): Promise<string[]> {
    const died = new Set<string>();
    const endsAt = performance.now() + seconds * 1_000;
    while (replayed.size > died.size && performance.now() < endsAt) {
      await sleep(WATCH_EVERY_MS);
      await this.readAll(queue, (_, message) => {
        const replays = replayed.get(idOf(message));
        if (replays !== undefined && replaysOf(message) >= replays) died.add(idOf(message));
        return 'go on';
      });
    }
    return [...died].slice(0, MAX_DEATHS_TOLD);
  }

  /** @returns whether everything there is was seen, or `look` had enough at the very last one. */
  private async readAll(queue: string | undefined, look: (queue: string, message: WireMessage) => 'go on' | 'enough'): Promise<boolean> {
    const endsAt = performance.now() + LOOK_MS;
    for (const name of queue === undefined ? Object.keys(this.rows) : [this.known(queue)]) {
      const isComplete = await this.queues.hold(name, async (letters) => {
        for (;;) {
          if (performance.now() > endsAt) return false;
          const letter = await letters.next();
          if (letter === undefined) return true;
          if (look(name, letter) === 'enough') return false;
        }
      });
      if (!isComplete) return false;
    }
    return true;
  }

  private async carryOut(order: DeadLetterOrder, by: Operator, deed: Deed): Promise<DeadLetterOutcome> {
    const { queue, ids, all, dryRun, force, ratePerSecond } = order;
    this.known(queue);
    const audit = {
      audit: `dead-letters.${deed.name}`,
      by,
      queue,
      ...(ids === undefined ? { all, ...filterOf(order) } : { idCount: ids.length, ids: ids.slice(0, MAX_IDS_LOGGED) }),
      ...(force ? { force } : {}),
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    };
    // Said before as well: whoever kills this process in the middle of it has still given the order.
    if (!dryRun) this.logger.info(audit, `dead letters: ${deed.name} begins`);
    const startedAt = performance.now();
    // What `all` meant is known only now: each id is written down, in lines of a bounded length.
    const doneIds: string[] = [];
    const onDone = (id: string) => {
      if (doneIds.push(id) <= MAX_IDS_LOGGED) return;
      this.logger.info({ ...audit, ids: doneIds.splice(0, MAX_IDS_LOGGED) }, `dead letters: ${deed.name} of these`);
    };
    const going = this.queues.hold(queue, (letters) => this.goThrough(letters, order, deed, startedAt + this.withinMs, onDone));
    const outcome = await going.catch((error: unknown) => {
      if (!dryRun) this.logger.warn({ ...audit, ids: doneIds }, `dead letters: ${deed.name} broke off after these`);
      throw error;
    });
    const { done, refusedCount, remaining, stoppedBy } = outcome;
    const durationMs = Math.round(performance.now() - startedAt);
    if (!dryRun)
      this.logger.info({ ...audit, ids: doneIds, done, refusedCount, remaining, stoppedBy, durationMs }, `dead letters: ${deed.name} ends`);
    return outcome;
  }

  /** From the oldest to the last one that was there; stops when the time is over or the broker takes no more. */
  private async goThrough(
    letters: HeldDeadLetters,
    order: DeadLetterOrder,
    deed: Deed,
    endsAt: number,
    onDone: (id: string) => void,
  ): Promise<DeadLetterOutcome> {
    const selection = new Selection(order);
    const pace = new Pace(order.ratePerSecond);
    const tally = new Tally(order);
    const count = Math.min(letters.count, order.first ?? Number.POSITIVE_INFINITY);
    for (let seen = 0; seen < count && !selection.isExhausted; seen += 1) {
      const stopped = (reason: string) => tally.stopped(reason, { count, seen, ids: selection.missing });
      if (performance.now() >= endsAt) return stopped('time');
      const letter = await letters.next();
      if (letter === undefined) break;
      const shown = describeDeadLetter(order.queue, letter);
      if (!selection.means(shown)) continue;
      const refusal = deed.refusal(letter, order);
      if (refusal !== undefined) tally.refused(shown, refusal);
      else if (order.dryRun) tally.wouldBeDone(shown);
      else if (!(await pace.turn(endsAt))) return stopped('time');
      else {
        const failure = await deed.execute(letters, letter);
        if (failure !== undefined) return stopped(failure);
        tally.done();
        onDone(shown.id);
      }
      selection.settled(shown);
    }
    return tally.finished(selection.missing);
  }

  private known(queue: string): string {
    if (!Object.hasOwn(this.rows, queue)) throw new ProblemError('not-found', 'There is no such queue.');
    return queue;
  }
}

const TOO_OFTEN = `was replayed ${MAX_REPLAYS} times and failed each time; use force when what it failed of is repaired`;

const filterOf = ({ type, errorClass, conversationId }: DeadLetterOrder) => ({ type, errorClass, conversationId });

/** Which letters an order means, and which of its ids have not been met. */
class Selection {
  private readonly wanted: Set<string> | undefined;

  constructor(private readonly order: DeadLetterOrder) {
    this.wanted = order.ids === undefined ? undefined : new Set(order.ids);
  }

  /** Whether nothing further can be meant. */
  get isExhausted(): boolean {
    return this.wanted?.size === 0;
  }

  get missing(): string[] {
    return [...(this.wanted ?? [])];
  }

  /** Of two letters with one id only the older one is meant: they are the same event, which needs to be handled once. */
  means(letter: DeadLetter): boolean {
    return matches(letter, filterOf(this.order)) && this.wanted?.has(letter.id) !== false;
  }

  settled(letter: DeadLetter): void {
    this.wanted?.delete(letter.id);
  }
}

/** Counts what becomes of the letters of one order. */
class Tally {
  private doneCount = 0;
  private refusedCount = 0;
  private readonly refusals: DeadLetterOutcome['refused'] = [];
  private readonly items: DeadLetter[] = [];

  constructor(private readonly order: DeadLetterOrder) {}

  done(): void {
    this.doneCount += 1;
  }

  wouldBeDone(letter: DeadLetter): void {
    this.doneCount += 1;
    if (this.items.length < MAX_DEAD_LETTERS) this.items.push(letter);
  }

  refused({ id }: DeadLetter, reason: string): void {
    this.refusedCount += 1;
    if (this.refusals.length < MAX_REFUSALS_TOLD) this.refusals.push({ id, reason });
  }

  finished(notFound: string[]): DeadLetterOutcome {
    return { ...this.outcome(), notFound, remaining: 0, stoppedBy: null, next: null };
  }

  /** @param at `count` letters were there, `seen` of them were looked at, `ids` of the order were not met. */
  stopped(stoppedBy: string, { count, seen, ids }: { count: number; seen: number; ids: string[] }): DeadLetterOutcome {
    const first = this.order.dryRun ? count : count - this.doneCount;
    const next = { first, ...(this.order.ids === undefined ? {} : { ids }) };
    return { ...this.outcome(), notFound: [], remaining: count - seen, stoppedBy, next };
  }

  private outcome() {
    const { queue, dryRun } = this.order;
    return {
      queue,
      dryRun,
      done: this.doneCount,
      refused: this.refusals,
      refusedCount: this.refusedCount,
      items: this.items,
      diedAgain: null,
    };
  }
}

/** Spaces turns evenly: `ratePerSecond` of them in each second, from the first one on. */
class Pace {
  private turns = 0;
  private startedAt = 0;

  constructor(private readonly ratePerSecond: number | undefined) {}

  /** Waits for the next turn. @returns false when it would come after `endsAt`. */
  async turn(endsAt: number): Promise<boolean> {
    if (this.turns === 0) this.startedAt = performance.now();
    const at = this.ratePerSecond === undefined ? 0 : this.startedAt + (this.turns / this.ratePerSecond) * 1_000;
    if (at > endsAt) return false;
    const waitMs = at - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    this.turns += 1;
    return true;
  }
}
