import { attributedTo, SEVERAL_CALLERS } from '#lib/resilience/call/attribution';
import { type Deadline, currentDeadline, withoutDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { runInContext } from '#lib/runtime/log/context';
import { FairTurns } from './fair-turns.js';

/** What became of one item of a batch. `busy`: another commit holds its conversation, nothing was done, try it again patiently. */
export type Outcome<Verdict> = { readonly kind: 'decided'; readonly verdict: Verdict } | { readonly kind: 'busy' };

/** How a batch is committed. */
export interface CommitHow {
  /** All items are of one conversation, and the commit waits for its holder instead of answering `busy`. */
  readonly isPatient: boolean;
  /** Less time than a commit usually has, in milliseconds; undefined = as usual. */
  readonly limitMs?: number | undefined;
}

/** How items become verdicts. */
export interface GroupCommitOptions<Item, Verdict> {
  /** Items of one conversation and sender are committed in the order in which they came; those of one conversation by one commit at a time. */
  readonly conversationOf: (item: Item) => string;
  /** Whose item it is: senders share the commits fairly, and one whose item was bad sends alone for a while. */
  readonly senderOf: (item: Item) => string;
  /** What the item costs a commit, above 0, in the unit of `maxBatchCost`. */
  readonly costOf: (item: Item) => number;
  /**
   * Commits a batch and gives one outcome per item, in their order.
   * @throws DependencyError when nothing can be said about any of them. One that is attributable, and any other error, means that nothing
   * was stored and that one item (which one is not known) may be the reason.
   */
  readonly commit: (items: readonly Item[], how: CommitHow) => Promise<readonly Outcome<Verdict>[]>;
  readonly maxBatch: number;
  /** Costs of one batch, all in all; an item that costs more goes alone. */
  readonly maxBatchCost: number;
  /** Items that may wait; beyond that `overloaded`. */
  readonly maxWaiting: number;
  /** Shared commits in flight at once. */
  readonly concurrent: number;
  /** Commits beside the shared ones at once: of contended conversations, and of senders who send alone. */
  readonly patient: number;
  /** Runs work after the requests that arrived in this turn of the event loop. Default: `setImmediate`; tests may do it at once. */
  readonly defer?: (work: () => void) => void;
}

interface Entry<Item, Verdict> {
  readonly item: Item;
  readonly conversation: string;
  readonly sender: string;
  readonly cost: number;
  readonly turn: number;
  readonly arrival: number;
  readonly deadline: Deadline | undefined;
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: unknown) => void;
}

/** What the search for the bad items of a batch has found out. */
interface Search {
  readonly failure: unknown;
  readonly accused: Set<string>;
  /** Something of the batch was committed: it is not the database that fails. */
  isWorking: boolean;
}

/** How long a sender whose item failed alone, while others were stored, sends alone. One that is stored ends it. */
const SUSPECT_MS = 60_000;
/** Senders that are remembered for it. */
const MAX_SUSPECTS = 1_000;
/** What an item of a suspect may take: it holds a connection that contended conversations wait for. */
const SUSPECT_LIMIT_MS = 1_000;
/** Into how many parts a batch is divided that may hold a bad item. */
const PARTS = 8;
/** Limits of a part of a batch that failed: less proves nothing on a busy machine, more leaves no time for the other parts. */
const PART_LIMIT_MS = { least: 100, most: 1_000 } as const;
/** Of a caller's deadline, for the answer itself. */
const ANSWER_MS = 200;

/**
 * Lets concurrent requests share commits: a request joins the batch that is being gathered while the previous one is in flight. There is
 * no timer, so a request that comes alone waits for no other. Batches are bounded in number and in cost, and filled in fair turns.
 *
 *     waiting --a commit and its conversation are free--> in flight --> decided
 *        |                                          |--busy--> waiting; then patiently: its conversation alone, off the shared path
 *        |                                          |--the dependency failed--> rejected, outcome unknown
 *        |                                          `--an item may be bad--> parts, and parts of those, until the bad one is alone
 *        `--its deadline passed--> rejected, never sent
 */
export class GroupCommit<Item, Verdict> {
  private waiting: Entry<Item, Verdict>[] = [];
  private readonly turns = new FairTurns();
  private arrivals = 0;
  /** What the commits in flight work on: the next items of those wait for them, because their locks would only make them `busy`. */
  private readonly conversationsInFlight = new Set<string>();
  /** Conversations with waiting items that another commit was found to hold. */
  private readonly contended = new Set<string>();
  /** Senders whose items go alone, and until when (`performance.now()`). */
  private readonly suspects = new Map<string, number>();
  private isPumping = false;
  private sharedInFlight = 0;
  private patientInFlight = 0;
  private suspectsInFlight = 0;
  /** When a commit last succeeded (`performance.now()`). */
  private workedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: GroupCommitOptions<Item, Verdict>) {}

  /**
   * Settles with the verdict on this item.
   * @throws DeadlineExceeded when the caller's deadline passed before the item was sent; DependencyError; what `commit` throws for it alone.
   */
  join(item: Item): Promise<Verdict> {
    if (this.waiting.length >= this.options.maxWaiting) return Promise.reject(new DependencyError('postgres', 'sends', 'overloaded'));
    const { promise, resolve, reject } = Promise.withResolvers<Verdict>();
    const { conversationOf, senderOf, costOf } = this.options;
    const [sender, cost] = [senderOf(item), costOf(item)];
    this.arrivals += 1;
    this.waiting.push({
      item,
      conversation: conversationOf(item),
      sender,
      cost,
      turn: this.turns.take(sender, cost),
      arrival: this.arrivals,
      deadline: currentDeadline(),
      resolve,
      reject,
    });
    this.pumpSoon();
    return promise;
  }

  /** Conversations and senders that are remembered; none while nothing waits and no item was bad of late. */
  get remembered(): { readonly contended: number; readonly suspects: number } {
    return { contended: this.contended.size, suspects: this.suspects.size };
  }

  /** After the requests that arrived in this turn of the event loop: they are read one by one, and the first must not leave alone. */
  private pumpSoon(): void {
    if (this.isPumping) return;
    this.isPumping = true;
    const { defer = setImmediate } = this.options;
    withoutDeadline(() => defer(() => this.pump()));
  }

  private pump(): void {
    this.isPumping = false;
    const { concurrent, patient } = this.options;
    this.waiting.sort((one, other) => one.turn - other.turn || one.arrival - other.arrival);
    while (this.sharedInFlight < concurrent) {
      const batch = this.take(({ conversation, sender }) => !this.contended.has(conversation) && !this.isSuspect(sender));
      if (batch.length === 0) break;
      this.sharedInFlight += 1;
      void this.send(batch, { isPatient: false }).finally(() => {
        this.sharedInFlight -= 1;
        this.pumpSoon();
      });
    }
    while (this.patientInFlight < patient) {
      const next = this.waiting.find((entry) => this.goesApart(entry));
      if (next === undefined) break;
      if (this.isSuspect(next.sender)) this.sendSuspect(next);
      else this.sendContended(next.conversation);
    }
    this.forgetContended();
  }

  private goesApart({ conversation, sender }: Entry<Item, Verdict>): boolean {
    if (this.conversationsInFlight.has(conversation)) return false;
    // Suspects leave a place to contended conversations where there is more than one.
    if (this.isSuspect(sender)) return this.suspectsInFlight < Math.max(1, this.options.patient - 1);
    return this.contended.has(conversation);
  }

  private sendContended(contended: string): void {
    const batch = this.take(({ conversation, sender }) => conversation === contended && !this.isSuspect(sender));
    if (batch.length === 0) return; // its deadline had passed
    this.patientInFlight += 1;
    void this.send(batch, { isPatient: true }).finally(() => {
      this.patientInFlight -= 1;
      this.pumpSoon();
    });
  }

  private sendSuspect(suspect: Entry<Item, Verdict>): void {
    const batch = this.take((entry) => entry === suspect);
    if (batch.length === 0) return; // its deadline had passed
    this.patientInFlight += 1;
    this.suspectsInFlight += 1;
    const how = { isPatient: this.contended.has(suspect.conversation), limitMs: SUSPECT_LIMIT_MS };
    void this.send(batch, how).finally(() => {
      this.patientInFlight -= 1;
      this.suspectsInFlight -= 1;
      this.pumpSoon();
    });
  }

  /** Takes the next batch out of the line, and the items whose time is over. */
  private take(isWanted: (entry: Entry<Item, Verdict>) => boolean): Entry<Item, Verdict>[] {
    const { maxBatch, maxBatchCost } = this.options;
    const now = performance.now();
    const batch: Entry<Item, Verdict>[] = [];
    const left: Entry<Item, Verdict>[] = [];
    let [room, isFull] = [maxBatchCost, false];
    for (const entry of this.waiting) {
      if (isLate(entry, now)) {
        this.turns.leave(entry.sender);
        refuseLate(entry);
      } else if (isFull || this.conversationsInFlight.has(entry.conversation) || !isWanted(entry)) left.push(entry);
      // No cheaper one is taken out of turn: it would be the dear ones that wait for ever.
      else if (batch.length >= maxBatch || (batch.length > 0 && entry.cost > room)) {
        isFull = true;
        left.push(entry);
      } else {
        batch.push(entry);
        room -= entry.cost;
        this.turns.serve(entry.sender, entry.turn);
      }
    }
    this.waiting = left;
    return batch.sort((one, other) => one.arrival - other.arrival);
  }

  private async send(batch: readonly Entry<Item, Verdict>[], how: CommitHow): Promise<void> {
    const conversations = new Set(batch.map(({ conversation }) => conversation));
    for (const conversation of conversations) this.conversationsInFlight.add(conversation);
    await this.commit(batch, how);
    for (const conversation of conversations) {
      this.conversationsInFlight.delete(conversation);
      // Patience is for one commit: the next one begins with the cheap way again.
      if (how.isPatient) this.contended.delete(conversation);
    }
  }

  private async commit(batch: readonly Entry<Item, Verdict>[], how: CommitHow): Promise<void> {
    const startedAt = performance.now();
    try {
      this.settle(batch, await this.run(batch, how));
    } catch (error) {
      if (!mayBeOneItem(error)) return rejectAll(batch, error);
      const [only, ...others] = batch;
      if (only === undefined || others.length === 0) {
        if (only !== undefined && this.workedAt > startedAt) this.suspect(only.sender);
        return rejectAll(batch, error);
      }
      const search: Search = { failure: error, accused: new Set(), isWorking: false };
      await this.commitInParts(batch, how, search);
      // Where all failed it was the database, or each of them: nothing is known against any sender.
      if (search.isWorking) for (const sender of search.accused) this.suspect(sender);
    }
  }

  private run(batch: readonly Entry<Item, Verdict>[], how: CommitHow): Promise<readonly Outcome<Verdict>[]> {
    const items = batch.map(({ item }) => item);
    const [first, ...others] = new Set(batch.map(({ sender }) => sender));
    const caller = first === undefined || others.length > 0 ? SEVERAL_CALLERS : first;
    // The commit is shared: it runs under no caller's deadline and no caller's request id.
    return withoutDeadline(() => runInContext({}, () => attributedTo(caller, () => this.options.commit(items, how))));
  }

  private async commitInParts(batch: readonly Entry<Item, Verdict>[], how: CommitHow, search: Search): Promise<void> {
    for (const part of partsOf(batch)) {
      // The bad items of one sender often come together: once one is found, the others of it go alone, and last.
      const accused = part.filter(({ sender }) => search.accused.has(sender));
      const others = part.filter(({ sender }) => !search.accused.has(sender));
      for (const live of [others, ...accused.map((entry) => [entry])]) await this.commitPart(live, how, search);
    }
  }

  private async commitPart(part: readonly Entry<Item, Verdict>[], how: CommitHow, search: Search): Promise<void> {
    const now = performance.now();
    for (const entry of part) if (isLate(entry, now)) refuseLate(entry);
    const live = part.filter((entry) => !isLate(entry, now));
    if (live.length === 0) return;
    const limitMs = limitOf(live, now);
    if (limitMs < PART_LIMIT_MS.least) return rejectAll(live, search.failure); // no time to find out more
    try {
      this.settle(live, await this.run(live, { ...how, limitMs }));
      search.isWorking = true;
    } catch (error) {
      const [first, ...others] = live;
      if (!mayBeOneItem(error)) rejectAll(live, error);
      else if (others.length > 0) await this.commitInParts(live, how, search);
      else if (first !== undefined) {
        search.accused.add(first.sender);
        first.reject(error);
      }
    }
  }

  private settle(batch: readonly Entry<Item, Verdict>[], outcomes: readonly Outcome<Verdict>[]): void {
    this.workedAt = performance.now();
    for (const [index, entry] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) entry.reject(new Error('the commit gave no outcome for an item'));
      else if (outcome.kind === 'decided') {
        if (batch.length === 1) this.suspects.delete(entry.sender);
        entry.resolve(outcome.verdict);
      } else {
        this.contended.add(entry.conversation);
        // With its old turn, so in front of those of its sender that came later.
        this.turns.takeBack(entry.sender, entry.turn);
        this.waiting.push(entry);
      }
    }
  }

  private suspect(sender: string): void {
    this.suspects.delete(sender);
    this.suspects.set(sender, performance.now() + SUSPECT_MS);
    const [oldest] = this.suspects.keys();
    if (oldest !== undefined && this.suspects.size > MAX_SUSPECTS) this.suspects.delete(oldest);
  }

  private isSuspect(sender: string): boolean {
    if (this.suspects.size === 0) return false;
    const until = this.suspects.get(sender);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.suspects.delete(sender);
    return false;
  }

  /** A conversation whose waiting items ran out of time would be remembered for ever. */
  private forgetContended(): void {
    if (this.contended.size === 0) return;
    const wanted = new Set(this.waiting.map(({ conversation }) => conversation));
    for (const conversation of this.contended) {
      if (!wanted.has(conversation) && !this.conversationsInFlight.has(conversation)) this.contended.delete(conversation);
    }
  }
}

/** Whether one item may be the reason why a batch failed, and nothing of the batch was stored. */
const mayBeOneItem = (error: unknown): boolean =>
  error instanceof DependencyError ? error.isAttributable : !(error instanceof DeadlineExceeded);

// A timer may fire up to a millisecond early: the caller has heard then, while its deadline is not quite over.
const isLate = ({ deadline }: Entry<unknown, never>, now: number): boolean => deadline !== undefined && deadline.at - 1 <= now;

const refuseLate = ({ deadline, reject }: Entry<unknown, never>): void => reject(new DeadlineExceeded(deadline?.budgetMs ?? 0));

const rejectAll = (batch: readonly Entry<unknown, never>[], error: unknown): void => {
  for (const { reject } of batch) reject(error);
};

/**
 * About eight parts of the same cost, in the order of their items. Not two: a part with a bad item costs its whole time, one without costs
 * little, so few rounds of many parts find the bad item soonest. By cost: what takes long is mostly what is long.
 */
const partsOf = <Item, Verdict>(batch: readonly Entry<Item, Verdict>[]): Entry<Item, Verdict>[][] => {
  const room = batch.reduce((sum, { cost }) => sum + cost, 0) / PARTS;
  const parts: Entry<Item, Verdict>[][] = [];
  let sum = Number.POSITIVE_INFINITY;
  for (const entry of batch) {
    sum += entry.cost;
    if (sum <= room) parts.at(-1)?.push(entry);
    else {
      parts.push([entry]);
      sum = entry.cost;
    }
  }
  return parts;
};

/** What a part may take, in milliseconds: its callers' time, shared out over the rounds that may follow, and a share for other parts. */
const limitOf = (part: readonly Entry<unknown, never>[], now: number): number => {
  const endsAt = Math.min(...part.map(({ deadline }) => deadline?.at ?? Number.POSITIVE_INFINITY)) - ANSWER_MS;
  const rounds = 1 + Math.ceil(Math.log(part.length) / Math.log(PARTS));
  return Math.min(PART_LIMIT_MS.most, Math.floor((endsAt - now) / (rounds + 1)));
};
