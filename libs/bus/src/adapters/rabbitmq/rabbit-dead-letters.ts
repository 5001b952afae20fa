import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { ProblemError } from '#lib/contracts/problems';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { DeadLettersPort, LockedDeadLetters } from '../../dead-letters/dead-letters.port.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { deadLetterQueue } from '../../topology.js';
import type { WireMessage } from '../../wire-message.js';
import { within } from '#lib/runtime/work/within';
import { openQuietChannel, replyCode, replyCodeOf } from './channel.js';
import { connectionName, RabbitConnection } from './rabbit-connection.js';
import type { RabbitPublisher } from './rabbit-publisher.js';
import { wireMessageOf } from './wire-message-of.js';

/** How dead letters are reached. */
export interface RabbitDeadLettersOptions {
  readonly url: string;
  readonly app: string;
  readonly heartbeatS: number;
  /** Publishes replayed letters; its creator starts and stops it. */
  readonly publisher: Pick<RabbitPublisher, 'copyTo'>;
  readonly logger: Logger;
}

/** Longest wait for one reply of the broker. */
const ANSWER_MS = 5_000;
const LOCK_WITHIN_MS = 5_000;
const LOCK_RETRY_MS = 100;
/** Letters prefetched at once: about 13 MB at 64 KB each, the longest message there is. */
const BATCH = 200;
/** Longest wait for returned letters; beyond it only their order suffers. */
const RETURN_WITHIN_MS = 3_000;
/** Letters that take longer are gone: an operator took them with the management UI. */
const SILENCE_MS = 1_000;
/**
 * Most letters under one lock; beyond it their order is not kept. Each costs the broker a few hundred bytes; to take and return
 * this many takes about 2 s (measured, 2 cores).
 */
const MAX_HELD = 20_000;

/**
 * Dead letters in RabbitMQ. A queue delivers from its head only, so reading takes messages and returns them. What makes that safe,
 * measured with quorum queues of 3.10:
 *
 * - Each call has a connection of its own: when it or this process dies, the broker returns every unacknowledged letter.
 * - A returned message goes to the end of the returned ones, which are served before all others. Order is kept only when every letter
 *   is taken and returned in order: one consumer after the other closes its channel. `basic.get` would scramble them: each get is a consumer.
 * - An exclusive queue is the lock over all processes; it goes with the connection.
 * - The dead-letter queue has a delivery limit so high that reading never drops a letter (topology.ts).
 */
export class RabbitDeadLetters extends DeadLettersPort {
  constructor(private readonly options: RabbitDeadLettersOptions) {
    super();
  }

  async lock<T>(queue: string, work: (letters: LockedDeadLetters) => Promise<T>): Promise<T> {
    const { url, app, heartbeatS, logger, publisher } = this.options;
    const connection = new RabbitConnection({
      url,
      name: connectionName(app, 'operate'),
      heartbeatS,
      logger,
      onOpen: async () => undefined,
    });
    await connection.start();
    try {
      const model = connection.current;
      if (model === undefined) throw new DependencyError('rabbitmq', OPERATION, 'unavailable');
      await lock(model, deadLetterQueue(queue));
      const letters = await LockedRabbitQueue.begin(model, queue, publisher);
      const result = await work(letters);
      await letters.returnAll();
      return result;
    } catch (error) {
      throw translated(error);
    } finally {
      await connection.stop();
    }
  }
}

const OPERATION = 'dead-letters';

class NoAnswer extends Error {}

const translated = (error: unknown): unknown => {
  if (error instanceof DependencyError || error instanceof ProblemError || error instanceof DeadlineExceeded) return error;
  return new DependencyError('rabbitmq', OPERATION, error instanceof NoAnswer ? 'timeout' : 'unavailable', { cause: error });
};

const answerTo = async <T>(question: PromiseLike<T>): Promise<T> => {
  let answer: { readonly value: T } | undefined;
  await within(
    ANSWER_MS,
    Promise.resolve(question).then((value) => (answer = { value })),
  );
  if (answer === undefined) throw new NoAnswer(`no answer within ${ANSWER_MS} ms`);
  return answer.value;
};

const openChannel = (model: ChannelModel): Promise<Channel> => answerTo(openQuietChannel(model));

/** @throws DependencyError when another process has the lock for longer than 5 s. */
const lock = async (model: ChannelModel, letters: string): Promise<void> => {
  const endsAt = performance.now() + LOCK_WITHIN_MS;
  for (;;) {
    const channel = await openChannel(model);
    try {
      await answerTo(channel.assertQueue(`${letters}.lock`, { exclusive: true, durable: false, autoDelete: true }));
      return;
    } catch (error) {
      if (replyCodeOf(error) !== replyCode.resourceLocked) throw error;
      if (performance.now() > endsAt) throw new DependencyError('rabbitmq', OPERATION, 'overloaded', { cause: error });
    }
    await sleep(LOCK_RETRY_MS);
  }
};

/** Letters that no consumer holds. */
const readyIn = async (channel: Channel, queue: string): Promise<number> =>
  (await answerTo(channel.checkQueue(deadLetterQueue(queue)))).messageCount;

/** Letters that one channel delivered. */
interface Batch {
  readonly channel: Channel;
  /** Letters not removed. */
  heldCount: number;
}

class LockedRabbitQueue extends LockedDeadLetters {
  private readonly batches: Batch[] = [];
  private readonly taken = new Map<WireMessage, { readonly batch: Batch; readonly delivery: ConsumeMessage }>();
  private unseen: WireMessage[] = [];
  private takenCount = 0;
  private isEmpty = false;

  private constructor(
    private readonly model: ChannelModel,
    private readonly questions: Channel,
    private readonly queue: string,
    private readonly publisher: Pick<RabbitPublisher, 'copyTo'>,
    readonly count: number,
  ) {
    super();
  }

  /** @throws ProblemError `not-found` when the broker has no such queue. */
  static async begin(model: ChannelModel, queue: string, publisher: Pick<RabbitPublisher, 'copyTo'>): Promise<LockedRabbitQueue> {
    const channel = await openChannel(model);
    try {
      return new LockedRabbitQueue(model, channel, queue, publisher, await readyIn(channel, queue));
    } catch (error) {
      throw replyCodeOf(error) === replyCode.notFound
        ? new ProblemError('not-found', 'RabbitMQ has no such queue yet.', { cause: error })
        : error;
    }
  }

  async next(): Promise<WireMessage | undefined> {
    if (this.unseen.length === 0) this.unseen = await this.takeBatch();
    return this.unseen.shift();
  }

  remove(letter: WireMessage): void {
    const found = this.taken.get(letter);
    if (found === undefined) throw new RangeError('this letter is not under the lock');
    this.taken.delete(letter);
    found.batch.channel.ack(found.delivery);
    found.batch.heldCount -= 1;
  }

  protected publish(copy: WireMessage): Promise<PublishOutcome> {
    return this.publisher.copyTo(this.queue, copy);
  }

  /** Takes the unread letters too, then returns all of them in the order in which they came. */
  async returnAll(): Promise<void> {
    while ((await this.takeBatch()).length > 0) this.taken.clear();
    let expected = await readyIn(this.questions, this.queue);
    const endsAt = performance.now() + RETURN_WITHIN_MS;
    for (const { channel, heldCount } of this.batches) {
      // An orderly close settles the channel's acknowledgements first; its other letters return a moment later.
      await answerTo(channel.close());
      expected += heldCount;
      while (performance.now() < endsAt && (await readyIn(this.questions, this.queue)) < expected) await sleep(1);
    }
  }

  private async takeBatch(): Promise<WireMessage[]> {
    const size = Math.min(BATCH, this.count - this.takenCount, MAX_HELD - this.takenCount);
    if (size <= 0 || this.isEmpty) return [];
    const channel = await openChannel(this.model);
    await answerTo(channel.prefetch(size));
    const deliveries = await this.deliveriesOn(channel, size);
    this.isEmpty = deliveries.length < size;
    this.takenCount += deliveries.length;
    const batch = { channel, heldCount: deliveries.length };
    this.batches.push(batch);
    return deliveries.map((delivery) => {
      const letter = wireMessageOf(delivery);
      this.taken.set(letter, { batch, delivery });
      return letter;
    });
  }

  /** Cancels the consumer before the first acknowledgement, which would let in a letter of a later batch. */
  private async deliveriesOn(channel: Channel, size: number): Promise<ConsumeMessage[]> {
    const deliveries: ConsumeMessage[] = [];
    const { promise: all, resolve, reject } = Promise.withResolvers<void>();
    all.catch(() => undefined);
    channel.once('close', () => reject(new Error('the channel was closed')));
    const { consumerTag } = await answerTo(
      channel.consume(deadLetterQueue(this.queue), (delivery) => {
        if (delivery === null) return reject(new Error('the queue was deleted'));
        deliveries.push(delivery);
        if (deliveries.length === size) resolve();
      }),
    );
    for (let known = -1; known < deliveries.length; ) {
      known = deliveries.length;
      if (await within(SILENCE_MS, all)) break;
    }
    await answerTo(channel.cancel(consumerTag));
    return deliveries;
  }
}
