import type { Channel, ChannelModel } from 'amqplib';
import { z } from 'zod';
import { eventSchemas } from '#lib/contracts/events';
import { EVENTS_EXCHANGE, queues as queuesOfTheProduct } from '#lib/contracts/pipeline';
import { ProblemError } from '#lib/contracts/problems';
import { deadLetterQueue, RETRY_TIERS, retryQueue } from '../../topology.js';

/** A queue with what it still holds. */
export interface LeftQueue {
  readonly name: string;
  readonly ready: number;
  readonly consumers: number;
}

/** What became of a queue that was to be retired. */
export interface Retirement {
  /** Routing keys that it hears no longer. */
  readonly unbound: readonly string[];
  /** Queues that are gone: it, its retry queues and its dead letters. */
  readonly deleted: readonly string[];
  /** Why nothing was deleted: these hold messages, or are consumed. Empty when it is done. */
  readonly left: readonly LeftQueue[];
}

/** What is retired, and what else is known of it. */
export interface RetireOrder {
  readonly name: string;
  /** Delete it with what it holds. */
  readonly force: boolean;
  /** Routing keys that the management API says are bound, beside those of all events. */
  readonly routingKeys?: readonly string[];
  /** Queues in use; those of the product unless a test says otherwise. */
  readonly inUse?: readonly string[];
}

const QueueName = z.string().regex(/^[\w.-]{1,200}$/, 'must be 1-200 characters of A-Z a-z 0-9 _ . -');

/**
 * Takes a queue of a consumer that is no more out of the way: unbinds it first, so that nothing is refused because it is full, and deletes it
 * with its satellites when all of them are empty and nobody consumes them, or when that does not matter.
 * @throws ProblemError `validation` for a queue that is in use or no name, `not-found` when there is none. What RabbitMQ refuses rejects.
 */
export const retireQueue = async (model: ChannelModel, order: RetireOrder): Promise<Retirement> => {
  const { name, force, inUse = Object.keys(queuesOfTheProduct) } = order;
  if (!QueueName.safeParse(name).success) throw new ProblemError('validation', `${JSON.stringify(name)} is no name of a queue.`);
  const owner = inUse.find((queue) => familyOf(queue).includes(name));
  if (owner !== undefined) throw new ProblemError('validation', `${name} is in use: pipeline.ts has ${owner}.`);
  const family = await found(model, familyOf(name));
  if (!family.some((queue) => queue.name === name)) throw new ProblemError('not-found', `RabbitMQ has no queue ${name}.`);
  const channel = await openChannel(model);
  const unbound = [...new Set([...(order.routingKeys ?? []), ...Object.keys(eventSchemas)])].toSorted();
  // To unbind what is not bound is no error.
  for (const key of unbound) await channel.unbindQueue(name, EVENTS_EXCHANGE, key);
  const left = (await found(model, familyOf(name))).filter(({ ready, consumers }) => ready > 0 || consumers > 0);
  if (left.length > 0 && !force) return { unbound, deleted: [], left };
  // Quorum queues of 3.10 know no "if empty": they were looked at a moment ago, and nothing is bound to them any more.
  for (const queue of family) await channel.deleteQueue(queue.name);
  await channel.close();
  return { unbound, deleted: family.map((queue) => queue.name), left: [] };
};

const familyOf = (queue: string): string[] => [
  queue,
  ...Array.from({ length: RETRY_TIERS }, (_, index) => retryQueue(queue, index + 1)),
  deadLetterQueue(queue),
];

const found = async (model: ChannelModel, names: readonly string[]): Promise<LeftQueue[]> => {
  const queues: LeftQueue[] = [];
  for (const name of names) {
    const channel = await openChannel(model);
    try {
      const { messageCount: ready, consumerCount: consumers } = await channel.checkQueue(name);
      queues.push({ name, ready, consumers });
      await channel.close();
    } catch (error) {
      // That closed the channel too.
      if (!(error instanceof Error && 'code' in error && error.code === NOT_FOUND)) throw error;
    }
  }
  return queues;
};

const NOT_FOUND = 404;

const openChannel = async (model: ChannelModel): Promise<Channel> => {
  const channel = await model.createChannel();
  // The refusal comes back as the rejection of the call; without a listener it would end the connection too.
  channel.on('error', () => undefined);
  return channel;
};
