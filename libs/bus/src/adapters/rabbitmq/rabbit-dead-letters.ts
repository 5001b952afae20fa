import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { ProblemError } from '#lib/contracts/problems';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { DeadLettersPort, HeldDeadLetters } from '../../dead-letters/dead-letters.port.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { deadLetterQueue } from '../../topology.js';
import type { WireMessage } from '../../wire-message.js';
import { within } from '#lib/resilience/call/within';
import { connectionName, RabbitConnection } from './rabbit-connection.js';
import type { RabbitPublisher } from './rabbit-publisher.js';
import { wireMessageOf } from './wire-message-of.js';

/** How dead letters are reached. */
export interface RabbitDeadLettersOptions {
  readonly url: string;
  /** Name of the process in the management UI. */
  readonly app: string;
  readonly heartbeatS: number;
  /** Publishes what is sent back; started and stopped by whoever made it. */
  readonly publisher: Pick<RabbitPublisher, 'copyTo'>;
  readonly logger: Logger;
}

/** One question to the broker. */
const ANSWER_MS = 5_000;
const LOCK_WITHIN_MS = 5_000;
const LOCK_RETRY_MS = 100;
/** Letters on their way to us at once: at 64 KB each, the longest message there is, about 13 MB. */
const BATCH = 200;
/** Only their order would suffer if we did not wait for it. */
const RETURN_WITHIN_MS = 3_000;
/** Somebody with the management UI took some of them: what does not come in this time is not there. */
const SILENCE_MS = 1_000;
/**
 * Letters that one caller has in hand at most, and up to how many their order is kept. Costs the broker a few hundred bytes each; to take
 * and give back so many takes about 2 s (measured, 2 cores).
 */
const MAX_HELD = 20_000;
const RESOURCE_LOCKED = 405;
const NOT_FOUND = 404;

/**
 * Dead letters in RabbitMQ. A queue gives its messages from the head only, so looking is taking and giving back. What makes that safe, all
 * of it measured with quorum queues of 3.10:
 *
 * - A connection of its own per call: whatever happens to it, and to us, the broker puts back what was not acknowledged.
 * - Given back is not put back in place: it goes to the end of a line of returned messages, which is served before all others. So the
 *   order stays only when everything was taken, and is given back in order: hence all letters are taken, also when few are asked for, and
 *   one consumer after the other gives its batch back by closing its channel. `basic.get` would scramble them: each get is its own consumer.
 * - One at a time, over all processes: an exclusive queue is the lock, and goes with the connection.
 * - Their queue has a delivery limit so high that looking never drops one (topology.ts).
 */
export class RabbitDeadLetters extends DeadLettersPort {
  constructor(private readonly options: RabbitDeadLettersOptions) {
    super();
  }

  async hold<T>(queue: string, work: (letters: HeldDeadLetters) => Promise<T>): Promise<T> {
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
      const letters = await RabbitHold.begin(model, queue, publisher);
      const result = await work(letters);
      await letters.giveBack();
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

const openChannel = async (model: ChannelModel): Promise<Channel> => {
  const channel = await answerTo(model.createChannel());
  // The failure also rejects the call that caused it; without a listener it would end the connection.
  channel.on('error', () => undefined);
  return channel;
};

/** @throws DependencyError when another process has it for longer than we want to wait. */
const lock = async (model: ChannelModel, letters: string): Promise<void> => {
  const endsAt = performance.now() + LOCK_WITHIN_MS;
  for (;;) {
    const channel = await openChannel(model);
    try {
      await answerTo(channel.assertQueue(`${letters}.lock`, { exclusive: true, durable: false, autoDelete: true }));
      return;
    } catch (error) {
      if (codeOf(error) !== RESOURCE_LOCKED) throw error;
      if (performance.now() > endsAt) throw new DependencyError('rabbitmq', OPERATION, 'overloaded', { cause: error });
    }
    await sleep(LOCK_RETRY_MS);
  }
};

/** Letters that nobody holds. */
const readyIn = async (channel: Channel, queue: string): Promise<number> =>
  (await answerTo(channel.checkQueue(deadLetterQueue(queue)))).messageCount;

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** Letters that came together over a channel of their own. */
interface Batch {
  readonly channel: Channel;
  /** Not taken out. */
  heldCount: number;
}

class RabbitHold extends HeldDeadLetters {
  private readonly batches: Batch[] = [];
  private readonly places = new Map<WireMessage, { readonly batch: Batch; readonly delivery: ConsumeMessage }>();
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
  static async begin(model: ChannelModel, queue: string, publisher: Pick<RabbitPublisher, 'copyTo'>): Promise<RabbitHold> {
    const channel = await openChannel(model);
    try {
      return new RabbitHold(model, channel, queue, publisher, await readyIn(channel, queue));
    } catch (error) {
      throw codeOf(error) === NOT_FOUND ? new ProblemError('not-found', 'RabbitMQ has no such queue yet.', { cause: error }) : error;
    }
  }

  async next(): Promise<WireMessage | undefined> {
    if (this.unseen.length === 0) this.unseen = await this.takeBatch();
    return this.unseen.shift();
  }

  async sendBack(letter: WireMessage, copy: WireMessage): Promise<PublishOutcome> {
    const outcome = await this.publisher.copyTo(this.queue, copy);
    if (outcome.kind === 'confirmed') this.remove(letter);
    return outcome;
  }

  remove(letter: WireMessage): void {
    const place = this.places.get(letter);
    if (place === undefined) throw new RangeError('this letter is not in hand');
    this.places.delete(letter);
    place.batch.channel.ack(place.delivery);
    place.batch.heldCount -= 1;
  }

  /** Takes what it has not seen too, so that everything stands in one line again, and gives it back in the order in which it came. */
  async giveBack(): Promise<void> {
    while ((await this.takeBatch()).length > 0) this.places.clear();
    let expected = await readyIn(this.questions, this.queue);
    const endsAt = performance.now() + RETURN_WITHIN_MS;
    for (const { channel, heldCount } of this.batches) {
      // A channel that is closed in order has settled what was acknowledged on it; what it held is back a moment later.
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
      this.places.set(letter, { batch, delivery });
      return letter;
    });
  }

  /** The consumer ends before anything is acknowledged: else its place would be filled by a letter of a later batch. */
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
