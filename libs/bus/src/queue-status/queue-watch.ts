import type { ConsumerState, PublishTrouble } from '#lib/contracts/control';
import type { QueueStatus, QueueView } from '#lib/contracts/http';
import type { z } from 'zod';
import type { ControlAnswers, ControlChannelPort } from '../control/control-channel.port.js';
import { QueueAges } from './queue-ages.js';
import { type QueueStatusPort, statusOf } from './queue-status.port.js';

/** One view serves health, metrics and operators for this long. */
const CACHED_MS = 1_000;

type ConsumersOfProcess = readonly ConsumerState[] | null;
type PublishTroublesOfProcess = readonly z.infer<typeof PublishTrouble>[] | null;

/** The state of all queues at one moment. */
export interface QueuesView {
  /** The queues of the pipeline in its order, then unknown ones. */
  readonly items: readonly QueueView[];
  /** null = not known. */
  readonly unknownCount: number | null;
  /** The reports of the consuming processes. */
  readonly consumers: ControlAnswers<ConsumersOfProcess>;
  /** The failing publishes of all processes. */
  readonly publishers: ControlAnswers<PublishTroublesOfProcess>;
}

/**
 * Joins the broker's view of the queues (lengths) with their consumers' (pauses, held messages, ages). Read it every few seconds: ages are
 * derived from one read to the next.
 */
export class QueueWatch {
  private readonly ages = new QueueAges();
  private last: { readonly view: Promise<QueuesView>; settledAt: number } | undefined;

  constructor(
    private readonly queues: QueueStatusPort,
    private readonly control: ControlChannelPort,
  ) {}

  /** A view at most a second old. Never rejects; settles within 2 s. */
  read(): Promise<QueuesView> {
    if (this.last !== undefined && performance.now() - this.last.settledAt <= CACHED_MS) return this.last.view;
    const run = { view: this.readAll(), settledAt: Number.POSITIVE_INFINITY };
    this.last = run;
    return run.view.finally(() => {
      run.settledAt = performance.now();
    });
  }

  private async readAll(): Promise<QueuesView> {
    const [known, unknown, consumers, publishers] = await Promise.all([
      this.queues.read(),
      this.queues.unknownQueues(),
      this.control.ask('consumers'),
      this.control.ask('publisher'),
    ]);
    const reports = consumers.processes.flatMap((each) => (each.silent ? [] : (each.answer ?? [])));
    // A queue is named after the app that consumes it.
    const isComplete = (queue: string) =>
      consumers.others === 'asked' && !consumers.processes.some(({ app, silent }) => silent && queue.startsWith(`${app}.`));
    const items = [
      ...known.map((status) => this.view(status, reports, { isComplete: isComplete(status.name), isUnknown: false })),
      ...(unknown ?? []).map(({ name, ready, consumers: count }) =>
        this.view(statusOf(name, { ready, unacked: null, consumers: count }, null), reports, { isComplete: false, isUnknown: true }),
      ),
    ];
    this.ages.keepOnly(new Set(items.map(({ name }) => name)));
    return { items, unknownCount: unknown?.length ?? null, consumers, publishers };
  }

  private view(
    status: QueueStatus,
    reports: readonly ConsumerState[],
    { isComplete, isUnknown }: { isComplete: boolean; isUnknown: boolean },
  ): QueueView {
    const consumers = reports.filter(({ queue }) => queue === status.name);
    const heldAt = consumers.flatMap(({ oldestAt }) => (oldestAt === null ? [] : [Date.parse(oldestAt)]));
    const pausedAt = consumers.flatMap(({ pausedSince }) => pausedSince ?? []).toSorted();
    const oldestHeldAt = heldAt.length === 0 ? undefined : Math.min(...heldAt);
    return {
      ...status,
      unacked: status.unacked ?? (isComplete ? consumers.reduce((sum, { unacked }) => sum + unacked, 0) : null),
      // One paused consumer suffices; `false` needs a consumer that reports it.
      paused: consumers.length === 0 ? null : pausedAt.length > 0,
      oldestAgeSeconds: this.ages.age({ queue: status.name, ready: status.ready, oldestHeldAt }),
      unknown: isUnknown,
      pausedSince: pausedAt[0] ?? null,
    };
  }
}
