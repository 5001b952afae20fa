import type { QueuesView } from './queue-watch.js';

/** Why events do not get where they should. Safe to show without a token: names of the pipeline, nothing else. */
export type PipelineTrouble =
  /** RabbitMQ does not take what a process publishes. */
  | 'publishing-fails'
  /** Events wait in the outbox for longer than they should. */
  | 'outbox-old'
  /** A queue that nothing empties hears events; when it is full, RabbitMQ refuses them. */
  | 'unknown-queue'
  /** Nothing consumes a queue. */
  | 'no-consumer'
  /** The consumers of a queue wait for a dependency. */
  | 'queue-paused'
  /** RabbitMQ does not say what waits in the queues. */
  | 'not-known';

/** An event leaves the outbox in milliseconds, and is swept after seconds when its process died: after a minute something is wrong. */
const OUTBOX_OLD_SECONDS = 60;
/** Longer than a consuming process takes to be started again. */
const NO_CONSUMER_MS = 15_000;

/** Finds what is wrong with the pipeline. Ask it again every few seconds: it remembers since when a queue has no consumer. */
export class PipelineTroubles {
  private readonly noConsumerSince = new Map<string, number>();

  /** @param outboxAgeSeconds undefined = not known. @returns each trouble, with the queue where there is one: `queue-paused embedding.messages`. */
  find({ items, publishers }: QueuesView, outboxAgeSeconds: number | undefined, now = performance.now()): string[] {
    const troubles: string[] = [];
    const add = (trouble: PipelineTrouble, queue?: string) => troubles.push(queue === undefined ? trouble : `${trouble} ${queue}`);
    if (publishers.processes.some((each) => !each.silent && each.answer !== null && each.answer.length > 0)) add('publishing-fails');
    if ((outboxAgeSeconds ?? 0) > OUTBOX_OLD_SECONDS) add('outbox-old');
    if (items.length > 0 && items.every(({ ready }) => ready === null)) add('not-known');
    // Its name may be anything that an operator typed: it stands in the log and behind a token.
    if (items.some(({ unknown, ready }) => unknown && (ready ?? 0) > 0)) add('unknown-queue');
    for (const { name, unknown, consumers, paused } of items) {
      if (unknown) continue;
      if (paused === true) add('queue-paused', name);
      // A paused consumer has cancelled its subscription: it is there and does not count as missing.
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
