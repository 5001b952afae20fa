import type { DeadLetter, DeadLetterOrder, DeadLetterOutcome } from '#lib/contracts/admin';
import type { Logger } from '#lib/runtime/log/logger';
import type { WireMessage } from '../wire-message.js';
import { type DeadLetterFilter, describeDeadLetter, matches } from './dead-letter.js';
import type { DeadLettersPort, LockedDeadLetters } from './dead-letters.port.js';
import { OrderTally } from './order-outcome.js';
import { Pacer } from './pacer.js';

/** The author of an order, for the audit log: a user id, or user and machine of a terminal. */
export type Operator = string;

/** What an order does with each letter. */
export interface OrderAction {
  readonly name: 'replay' | 'discard';
  /** The reason to leave a letter alone, if any; asked before anything is done. */
  readonly refusal: (letter: WireMessage, order: DeadLetterOrder) => string | undefined;
  /** @returns undefined when it is done; otherwise the reason, which ends the order. */
  readonly execute: (letters: LockedDeadLetters, letter: WireMessage) => Promise<string | undefined>;
}

/** What executing needs. */
export interface OrderSettings {
  readonly queues: DeadLettersPort;
  readonly logger: Logger;
  /** Longest run in milliseconds, beside opening and closing. */
  readonly withinMs: number;
  /** Keeps the rate of the order; shared by the slices of a long one. */
  readonly pacer?: Pacer | undefined;
}

/** Ids in one audit line; further ids of an order have lines of their own. */
const MAX_IDS_LOGGED = 100;

/** Executes an order over the letters it selects, with an audit line before, one per hundred letters, and one after. @throws as the port. */
export const executeOrder = async (
  { queues, logger, withinMs, pacer }: OrderSettings,
  order: DeadLetterOrder,
  by: Operator,
  action: OrderAction,
): Promise<DeadLetterOutcome> => {
  const { queue, ids, all, dryRun, force, ratePerSecond } = order;
  const audit = {
    audit: `dead-letters.${action.name}`,
    by,
    queue,
    ...(ids === undefined ? { all, ...filterForAudit(order) } : { idCount: ids.length, ids: ids.slice(0, MAX_IDS_LOGGED) }),
    ...(force ? { force } : {}),
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
  };
  // Logged before too: an order stays on record when its process is killed.
  if (!dryRun) logger.info(audit, `dead letters: ${action.name} begins`);
  const startedAt = performance.now();
  // An order for `all` learns its ids as it goes: each is logged, in lines of a bounded length.
  const doneIds: string[] = [];
  const onDone = (id: string) => {
    if (doneIds.push(id) <= MAX_IDS_LOGGED) return;
    logger.info({ ...audit, ids: doneIds.splice(0, MAX_IDS_LOGGED) }, `dead letters: ${action.name} of these`);
  };
  const running = queues.lock(queue, (letters) =>
    runOver(letters, order, action, { endsAt: startedAt + withinMs, pacer: pacer ?? new Pacer(ratePerSecond), onDone }),
  );
  const outcome = await running.catch((error: unknown) => {
    if (!dryRun) logger.warn({ ...audit, ids: doneIds }, `dead letters: ${action.name} failed after these`);
    throw error;
  });
  const { done, refusedCount, remaining, stoppedBy } = outcome;
  const durationMs = Math.round(performance.now() - startedAt);
  if (!dryRun)
    logger.info({ ...audit, ids: doneIds, done, refusedCount, remaining, stoppedBy, durationMs }, `dead letters: ${action.name} ends`);
  return outcome;
};

/** Goes from the oldest letter to the last one of the lock; stops when time is up or the broker takes no more. */
const runOver = async (
  letters: LockedDeadLetters,
  order: DeadLetterOrder,
  action: OrderAction,
  { endsAt, pacer, onDone }: { readonly endsAt: number; readonly pacer: Pacer; readonly onDone: (id: string) => void },
): Promise<DeadLetterOutcome> => {
  const selection = new Selection(order);
  const tally = new OrderTally(order);
  /** @returns why the order stops here; undefined to go on. */
  const settle = async (letter: WireMessage, shown: DeadLetter): Promise<string | undefined> => {
    const refusal = action.refusal(letter, order);
    if (refusal !== undefined) tally.refused(shown, refusal);
    else if (order.dryRun) tally.wouldBeDone(shown);
    if (refusal !== undefined || order.dryRun) return undefined;
    if (!(await pacer.turn(endsAt))) return 'time';
    const failure = await action.execute(letters, letter);
    if (failure !== undefined) return failure;
    tally.done();
    onDone(shown.id);
    return undefined;
  };
  const count = Math.min(letters.count, order.first ?? Number.POSITIVE_INFINITY);
  for (let seen = 0; seen < count && !selection.isExhausted; seen += 1) {
    const stopped = (reason: string) => tally.stopped(reason, { count, seen, ids: selection.missing });
    if (performance.now() >= endsAt) return stopped('time');
    const letter = await letters.next();
    if (letter === undefined) break;
    const shown = describeDeadLetter(order.queue, letter);
    if (!selection.includes(shown, letter)) continue;
    const reason = await settle(letter, shown);
    if (reason !== undefined) return stopped(reason);
    selection.settled(shown);
  }
  return tally.finished(selection.missing);
};

const filterOf = ({ type, errorClass, conversationId, text }: DeadLetterOrder): DeadLetterFilter => ({
  type,
  errorClass,
  conversationId,
  text,
});

/** Without the text: it may be a part of a message, which no log holds. */
const filterForAudit = ({ type, errorClass, conversationId, text }: DeadLetterOrder) => ({
  type,
  errorClass,
  conversationId,
  ...(text === undefined ? {} : { isByText: true }),
});

/** The letters that an order selects, and those of its ids that were not met yet. */
class Selection {
  private readonly wanted: Set<string> | undefined;

  constructor(private readonly order: DeadLetterOrder) {
    this.wanted = order.ids === undefined ? undefined : new Set(order.ids);
  }

  /** Whether no further letter can be selected. */
  get isExhausted(): boolean {
    return this.wanted?.size === 0;
  }

  get missing(): string[] {
    return [...(this.wanted ?? [])];
  }

  /** Of two letters with one id only the older is selected: they are the same event, which is handled once. */
  includes(letter: DeadLetter, message: WireMessage): boolean {
    return matches(letter, message, filterOf(this.order)) && this.wanted?.has(letter.id) !== false;
  }

  settled(letter: DeadLetter): void {
    this.wanted?.delete(letter.id);
  }
}
