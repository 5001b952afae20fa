import { setTimeout as sleep } from 'node:timers/promises';
import type {
  DeadLetter,
  DeadLetterDetail,
  DeadLetterOrder,
  DeadLetterOutcome,
  DeadLetterPage,
  DeadLetterQuery,
} from '#lib/contracts/admin';
import { pipeline } from '#lib/contracts/pipeline';
import { ProblemError } from '#lib/contracts/problems';
import type { Logger } from '#lib/runtime/log/logger';
import type { PipelineRows } from '../topology.js';
import type { WireMessage } from '../wire-message.js';
import { describeDeadLetter, describeInFull, forReplay, idOf, MAX_REPLAYS, matches, replaysOf } from './dead-letter.js';
import type { DeadLettersPort } from './dead-letters.port.js';
import { executeOrder, type Operator, type OrderAction } from './execute-order.js';
import type { Pacer } from './pacer.js';

const READ_WITHIN_MS = 5_000;
const MAX_DEATHS_SHOWN = 100;
/** Replayed letters that are watched for their next death. */
const MAX_WATCHED = 1_000;
const WATCH_EVERY_MS = 500;
const TOO_OFTEN = `was replayed ${MAX_REPLAYS} times and failed each time; use force when what it failed of is repaired`;

/**
 * Lists, replays and discards dead letters for operators; other letters stay where they are. Each order is bounded in time:
 * its outcome says how far it came, and the same order with the outcome's `next` continues it.
 */
export class DeadLetters {
  /** @param withinMs longest run of one order, beside opening and closing. */
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
      if (!matches(letter, message, filter)) return 'continue';
      if (items.length === limit) return 'stop';
      items.push(letter);
      return 'continue';
    });
    return { items, isComplete };
  }

  /** The dead letter with this id, from this queue or from all; undefined when there is none. @throws as {@link list}. */
  async find(id: string, queue?: string): Promise<DeadLetterDetail | undefined> {
    let found: DeadLetterDetail | undefined;
    await this.readAll(queue, (name, message) => {
      if (idOf(message) !== id) return 'continue';
      found = describeInFull(name, message);
      return 'stop';
    });
    return found;
  }

  /**
   * Sends dead letters back to their work queue: same id and bytes, first attempt again. A letter replayed three times stays
   * unless `force`. @param pacer of the slices of a long order. @throws as {@link list}.
   */
  async replay(order: DeadLetterOrder, by: Operator, pacer?: Pacer): Promise<DeadLetterOutcome> {
    const replayed = new Map<string, number>();
    const action: OrderAction = {
      name: 'replay',
      refusal: (letter, { force }) => (replaysOf(letter) < MAX_REPLAYS || force ? undefined : TOO_OFTEN),
      execute: async (letters, letter) => {
        const copy = forReplay(letter);
        const sent = await letters.sendBack(letter, copy);
        if (sent.kind !== 'confirmed') return `RabbitMQ: ${sent.kind}, ${sent.reason}`;
        if (replayed.size < MAX_WATCHED) replayed.set(idOf(letter), replaysOf(copy));
        return undefined;
      },
    };
    const outcome = await this.execute(order, by, action, pacer);
    const { queue, watchSeconds = 0, dryRun } = order;
    if (watchSeconds === 0 || dryRun) return outcome;
    return { ...outcome, diedAgain: await this.deathsOf(replayed, queue, watchSeconds) };
  }

  /** Removes dead letters for good. @throws as {@link list}. */
  async discard(order: DeadLetterOrder, by: Operator, pacer?: Pacer): Promise<DeadLetterOutcome> {
    const action: OrderAction = {
      name: 'discard',
      refusal: () => undefined,
      execute: async (letters, letter) => {
        letters.remove(letter);
        return undefined;
      },
    };
    return this.execute(order, by, action, pacer);
  }

  private async execute(order: DeadLetterOrder, by: Operator, action: OrderAction, pacer: Pacer | undefined): Promise<DeadLetterOutcome> {
    this.known(order.queue);
    return executeOrder({ queues: this.queues, logger: this.logger, withinMs: this.withinMs, pacer }, order, by, action);
  }

  /** Watches for `seconds` which replayed letters die again. A letter that still waits for its retries dies later, unseen. */
  private async deathsOf(replayed: ReadonlyMap<string, number>, queue: string, seconds: number): Promise<string[]> {
    const died = new Set<string>();
    const endsAt = performance.now() + seconds * 1_000;
    while (replayed.size > died.size && performance.now() < endsAt) {
      await sleep(WATCH_EVERY_MS);
      await this.readAll(queue, (_, message) => {
        const replays = replayed.get(idOf(message));
        if (replays !== undefined && replaysOf(message) >= replays) died.add(idOf(message));
        return 'continue';
      });
    }
    return [...died].slice(0, MAX_DEATHS_SHOWN);
  }

  /** @returns whether `read` saw every letter: false when time was up or it said `stop`. */
  private async readAll(queue: string | undefined, read: (queue: string, message: WireMessage) => 'continue' | 'stop'): Promise<boolean> {
    const endsAt = performance.now() + READ_WITHIN_MS;
    for (const name of queue === undefined ? Object.keys(this.rows) : [this.known(queue)]) {
      const isComplete = await this.queues.lock(name, async (letters) => {
        for (;;) {
          if (performance.now() > endsAt) return false;
          const letter = await letters.next();
          if (letter === undefined) return true;
          if (read(name, letter) === 'stop') return false;
        }
      });
      if (!isComplete) return false;
    }
    return true;
  }

  private known(queue: string): string {
    if (!Object.hasOwn(this.rows, queue)) throw new ProblemError('not-found', 'There is no such queue.');
    return queue;
  }
}
