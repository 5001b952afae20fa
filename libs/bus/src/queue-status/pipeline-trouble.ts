import type { QueuesView } from './queue-watch.js';

/** Why events do not arrive. Safe to show without a token: holds names of the pipeline only. */
export type PipelineTrouble =
  /** RabbitMQ refuses publishes of a process. */
  | 'publishing-fails'
  /** Events wait in the outbox for more than a minute. */
  | 'outbox-old'
  /** A queue without a row hears events; when it is full, RabbitMQ refuses them. */
  | 'unknown-queue'
  /** A queue has no consumer. */
  | 'no-consumer'
  /** The consumers of a queue wait for a dependency. */
  | 'queue-paused'
  /** The queue lengths are unknown. */
  | 'not-known';

/** An event leaves the outbox in milliseconds, or within seconds after a crash: after a minute something is wrong. */
const OUTBOX_OLD_SECONDS = 60;
/** Longer than a consuming process takes to restart. */
const NO_CONSUMER_MS = 15_000;

/** Finds what is wrong with the pipeline. Call it every few seconds: it keeps since when a queue has no consumer. */
export class PipelineTroubles {
  private readonly noConsumerSince = new Map<string, number>();

  /** @param outboxAgeSeconds undefined = not known. @returns each trouble, with the queue where there is one: `queue-paused embedding.messages`. */
  find({ items, publishers }: QueuesView, outboxAgeSeconds: number | undefined, now = performance.now()): string[] {
    const troubles: string[] = [];
    const add = (trouble: PipelineTrouble, queue?: string) => troubles.push(queue === undefined ? trouble : `${trouble} ${queue}`);
    if (publishers.processes.some((each) => !each.silent && each.answer !== null && each.answer.length > 0)) add('publishing-fails');
    if ((outboxAgeSeconds ?? 0) > OUTBOX_OLD_SECONDS) add('outbox-old');
    if (items.length > 0 && items.every(({ ready }) => ready === null)) add('not-known');
    // Without its name, which may be anything an operator typed.
    if (items.some(({ unknown, ready }) => unknown && (ready ?? 0) > 0)) add('unknown-queue');
    for (const { name, unknown, consumers, paused } of items) {
      if (unknown) continue;
      if (paused === true) add('queue-paused', name);
      // A paused consumer has cancelled its subscription and is not missing.
      else if (this.hasNoConsumer(name, consumers, now)) add('no-consumer', name);
    }
    return troubles;
  }

  private hasNoConsumer(queue: string, consumers: number | null, now: number): boolean {
    if (consumers !== 0) {
      this.noConsumerSince.delete(queue);
      return false;
    }
    const since = this.noConsumerSince.get(queue) ?? now;
    this.noConsumerSince.set(queue, since);
    return now - since >= NO_CONSUMER_MS;
  }
}
