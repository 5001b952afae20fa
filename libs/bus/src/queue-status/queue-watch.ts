import type { ConsumerState, PublishTrouble } from '#lib/contracts/control';
import type { QueueStatus, QueueView } from '#lib/contracts/http';
import type { z } from 'zod';
import type { ControlAnswers, ControlChannelPort } from '../control/control-channel.port.js';
import { QueueAges } from './queue-ages.js';
import type { QueueStatusPort, UnknownQueue } from './queue-status.port.js';

/** One read at most in this time, in milliseconds: health, metrics and operators share it. */
const REMEMBERED_MS = 1_000;

type ConsumersOfProcess = readonly ConsumerState[] | null;
type PublishTroublesOfProcess = readonly z.infer<typeof PublishTrouble>[] | null;

/** All that is known of the queues at one moment. */
export interface QueuesView {
  /** The queues of the pipeline in its order, then unknown ones. */
  readonly items: readonly QueueView[];
  /** null = it is not known whether there are unknown queues. */
  readonly unknownCount: number | null;
  /** What the consuming processes say. */
  readonly consumers: ControlAnswers<ConsumersOfProcess>;
  /** What the publishing processes cannot get rid of. */
  readonly publishers: ControlAnswers<PublishTroublesOfProcess>;
}

/**
 * Puts together what the broker knows of the queues (how many wait) and what their consumers know (pauses, what they hold, how old it is).
 * Read it every few seconds: ages are derived from one read to the next.
 */
export class QueueWatch {
  private readonly ages = new QueueAges();
  private last: { readonly view: Promise<QueuesView>; settledAt: number } | undefined;

  constructor(
    private readonly queues: QueueStatusPort,
    private readonly control: ControlChannelPort,
  ) {}

  /** Never rejects; settles within 2 s. Not older than a second. */
  read(): Promise<QueuesView> {
    if (this.last !== undefined && performance.now() - this.last.settledAt <= REMEMBERED_MS) return this.last.view;
    const run = { view: this.look(), settledAt: Number.POSITIVE_INFINITY };
    this.last = run;
    return run.view.finally(() => {
      run.settledAt = performance.now();
    });
  }

  private async look(): Promise<QueuesView> {
    const [known, unknown, consumers, publishers] = await Promise.all([
      this.queues.read(),
      this.queues.unknownQueues(),
      this.control.ask('consumers'),
      this.control.ask('publisher'),
    ]);
    const said = consumers.processes.flatMap((each) => (each.silent ? [] : (each.answer ?? [])));
    // A queue is named after the app that consumes it.
    const isComplete = (queue: string) =>
      consumers.others === 'asked' && !consumers.processes.some(({ app, silent }) => silent && queue.startsWith(`${app}.`));
    const items = [
      ...known.map((status) => this.view(status, said, { isComplete: isComplete(status.name), isUnknown: false })),
      ...(unknown ?? []).map((queue) => this.view(statusOf(queue), said, { isComplete: false, isUnknown: true })),
    ];
    this.ages.keepOnly(new Set(items.map(({ name }) => name)));
    return { items, unknownCount: unknown?.length ?? null, consumers, publishers };
  }

  private view(
    status: QueueStatus,
    said: readonly ConsumerState[],
    { isComplete, isUnknown }: { isComplete: boolean; isUnknown: boolean },
  ): QueueView {
    const consumers = said.filter(({ queue }) => queue === status.name);
    const heldAt = consumers.flatMap(({ oldestAt }) => (oldestAt === null ? [] : [Date.parse(oldestAt)]));
    const pausedAt = consumers.flatMap(({ pausedSince }) => pausedSince ?? []).toSorted();
    const oldestHeldAt = heldAt.length === 0 ? undefined : Math.min(...heldAt);
    return {
      ...status,
      unacked: status.unacked ?? (isComplete ? consumers.reduce((sum, { unacked }) => sum + unacked, 0) : null),
      // One that pauses is enough to know; that none does is known only from a consumer that says so.
      paused: consumers.length === 0 ? null : pausedAt.length > 0,
      oldestAgeSeconds: this.ages.age({ queue: status.name, ready: status.ready, oldestHeldAt }),
      unknown: isUnknown,
      pausedSince: pausedAt[0] ?? null,
    };
  }
}

const statusOf = ({ name, ready, consumers }: UnknownQueue): QueueStatus => ({
  name,
  ready,
  unacked: null,
  consumers,
  paused: null,
  oldestAgeSeconds: null,
  deadLetters: null,
});
