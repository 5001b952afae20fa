import { type Deadline, currentDeadline, withoutDeadline } from '#lib/resilience/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/errors';
import { runInContext } from '#lib/runtime/context';

/** What became of one item of a batch. `busy`: somebody else holds its conversation, nothing was done, try it again patiently. */
export type Outcome<Verdict> = { readonly kind: 'decided'; readonly verdict: Verdict } | { readonly kind: 'busy' };

/** How items become verdicts. */
export interface GroupCommitOptions<Item, Verdict> {
  /** Items of one conversation are committed in the order in which they came, and by one commit at a time. */
  readonly conversationOf: (item: Item) => string;
  /**
   * Commits a batch and gives one outcome per item, in their order. With `isPatient` all items are of one conversation, and it waits
   * for whoever holds that conversation instead of answering `busy`.
   * @throws DependencyError when nothing can be said about any of them; any other error when one of them (which one is not known) is bad.
   */
  readonly commit: (items: readonly Item[], how: { readonly isPatient: boolean }) => Promise<readonly Outcome<Verdict>[]>;
  readonly maxBatch: number;
  /** Items that may wait; beyond that `overloaded`. */
  readonly maxWaiting: number;
  /** Shared commits in flight at once. */
  readonly concurrent: number;
  /** Patient commits in flight at once, beside the shared ones. */
  readonly patient: number;
  /** Runs work after the requests that arrived in this turn of the event loop. Default: `setImmediate`; tests may do it at once. */
  readonly defer?: (work: () => void) => void;
}

interface Entry<Item, Verdict> {
  readonly item: Item;
  readonly conversation: string;
  readonly deadline: Deadline | undefined;
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets concurrent requests share commits: a request joins the batch that is being gathered while the previous one is in flight. There is
 * no timer, so a request that comes alone waits for nobody.
 *
 *     waiting --a commit and its conversation are free--> in flight --> decided
 *        |                                          |--busy--> waiting; then patiently: its conversation alone, off the shared path
 *        |                                          |--infrastructure failed--> rejected, outcome unknown
 *        |                                          `--one of the batch is bad--> each alone
 *        `--its deadline passed--> rejected, never sent
 */
export class GroupCommit<Item, Verdict> {
  private waiting: Entry<Item, Verdict>[] = [];
  /** What the commits in flight work on: the next items of those wait for them, because their locks would only make them `busy`. */
  private readonly conversationsInFlight = new Set<string>();
  /** Conversations that somebody else was found to hold. */
  private readonly contended = new Set<string>();
  private isPumping = false;
  private sharedInFlight = 0;
  private patientInFlight = 0;

  constructor(private readonly options: GroupCommitOptions<Item, Verdict>) {}

  /**
   * Settles with the verdict on this item.
   * @throws DeadlineExceeded when the caller's deadline passed before the item was sent; DependencyError; what `commit` throws for it alone.
   */
  join(item: Item): Promise<Verdict> {
    if (this.waiting.length >= this.options.maxWaiting) return Promise.reject(new DependencyError('postgres', 'sends', 'overloaded'));
    const { promise, resolve, reject } = Promise.withResolvers<Verdict>();
    this.waiting.push({ item, conversation: this.options.conversationOf(item), deadline: currentDeadline(), resolve, reject });
    this.pumpSoon();
    return promise;
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
    while (this.sharedInFlight < this.options.concurrent) {
      const batch = this.take((conversation) => !this.contended.has(conversation));
      if (batch.length === 0) break;
      this.sharedInFlight += 1;
      void this.send(batch, false).finally(() => {
        this.sharedInFlight -= 1;
        this.pumpSoon();
      });
    }
    while (this.patientInFlight < this.options.patient) {
      const next = this.waiting.find(
        ({ conversation }) => this.contended.has(conversation) && !this.conversationsInFlight.has(conversation),
      );
      if (next === undefined) break;
      const batch = this.take((conversation) => conversation === next.conversation);
      if (batch.length === 0) continue; // its deadline had passed
      this.patientInFlight += 1;
      void this.send(batch, true).finally(() => {
        this.patientInFlight -= 1;
        this.pumpSoon();
      });
    }
  }

  /** Takes the next batch out of the line, and whoever's time is over. */
  private take(isWanted: (conversation: string) => boolean): Entry<Item, Verdict>[] {
    const now = performance.now();
    const batch: Entry<Item, Verdict>[] = [];
    const left: Entry<Item, Verdict>[] = [];
    for (const entry of this.waiting) {
      const { conversation, deadline } = entry;
      if (deadline !== undefined && deadline.at <= now) entry.reject(new DeadlineExceeded(deadline.budgetMs));
      else if (batch.length < this.options.maxBatch && !this.conversationsInFlight.has(conversation) && isWanted(conversation))
        batch.push(entry);
      else left.push(entry);
    }
    this.waiting = left;
    return batch;
  }

  private async send(batch: readonly Entry<Item, Verdict>[], isPatient: boolean): Promise<void> {
    const conversations = new Set(batch.map(({ conversation }) => conversation));
    for (const conversation of conversations) this.conversationsInFlight.add(conversation);
    await this.commit(batch, isPatient);
    for (const conversation of conversations) {
      this.conversationsInFlight.delete(conversation);
      // Patience is for one commit: the next one begins with the cheap way again.
      if (isPatient) this.contended.delete(conversation);
    }
  }

  private async commit(batch: readonly Entry<Item, Verdict>[], isPatient: boolean): Promise<void> {
    try {
      const items = batch.map(({ item }) => item);
      // The commit is everybody's: it runs under nobody's deadline and nobody's request id.
      const outcomes = await withoutDeadline(() => runInContext({}, () => this.options.commit(items, { isPatient })));
      this.settle(batch, outcomes);
    } catch (error) {
      if (error instanceof DependencyError || error instanceof DeadlineExceeded || batch.length === 1) {
        for (const entry of batch) entry.reject(error);
        return;
      }
      // One of them is bad: alone, each gets what it deserves, in their order.
      for (const entry of batch) await this.commit([entry], isPatient);
    }
  }

  private settle(batch: readonly Entry<Item, Verdict>[], outcomes: readonly Outcome<Verdict>[]): void {
    const busy: Entry<Item, Verdict>[] = [];
    for (const [index, entry] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) entry.reject(new Error('the commit gave no outcome for an item'));
      else if (outcome.kind === 'decided') entry.resolve(outcome.verdict);
      else busy.push(entry);
    }
    for (const { conversation } of busy) this.contended.add(conversation);
    // In front of those of their conversation that came later.
    if (busy.length > 0) this.waiting = [...busy, ...this.waiting];
  }
}
