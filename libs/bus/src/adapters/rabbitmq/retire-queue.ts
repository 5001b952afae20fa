import type { ChannelModel } from 'amqplib';
import { z } from 'zod';
import { eventSchemas } from '#lib/contracts/events';
import { EVENTS_EXCHANGE, queues as queuesOfTheProduct } from '#lib/contracts/pipeline';
import { ProblemError } from '#lib/contracts/problems';
import { openQuietChannel, replyCode, replyCodeOf } from './channel.js';
import { deadLetterQueue, RETRY_TIERS, retryQueue } from '../../topology.js';

/** A queue that still holds messages or is consumed. */
export interface LeftQueue {
  readonly name: string;
  readonly ready: number;
  readonly consumers: number;
}

/** The outcome of retiring a queue. */
export interface Retirement {
  /** Routing keys it no longer hears. */
  readonly unbound: readonly string[];
  /** Deleted queues: its own, its retry queues and its dead-letter queue. */
  readonly deleted: readonly string[];
  /** Queues that hold messages or are consumed, so that none was deleted; empty when it is done. */
  readonly left: readonly LeftQueue[];
}

/** The queue to retire. */
export interface RetireOrder {
  readonly name: string;
  /** Deletes it together with its messages. */
  readonly force: boolean;
  /** Bound routing keys according to the management API, beside those of all events. */
  readonly routingKeys?: readonly string[];
  /** Queues in use; those of the product unless a test says otherwise. */
  readonly inUse?: readonly string[];
}

const QueueName = z.string().regex(/^[\w.-]{1,200}$/, 'must be 1-200 characters of A-Z a-z 0-9 _ . -');

/**
 * Retires the queue of a removed consumer: unbinds it first, so that no publish is refused because it is full, then deletes it with its
 * retry and dead-letter queues when all are empty and without consumers, or with `force`.
 * @throws ProblemError `validation` for a bad name or a queue in use, `not-found` for an unknown one; the error of amqplib for a refusal.
 */
export const retireQueue = async (model: ChannelModel, order: RetireOrder): Promise<Retirement> => {
  const { name, force, inUse = Object.keys(queuesOfTheProduct) } = order;
  if (!QueueName.safeParse(name).success) throw new ProblemError('validation', `${JSON.stringify(name)} is no name of a queue.`);
  const owner = inUse.find((queue) => familyOf(queue).includes(name));
  if (owner !== undefined) throw new ProblemError('validation', `${name} is in use: pipeline.ts has ${owner}.`);
  const family = await found(model, familyOf(name));
  if (!family.some((queue) => queue.name === name)) throw new ProblemError('not-found', `RabbitMQ has no queue ${name}.`);
  const channel = await openQuietChannel(model);
  const unbound = [...new Set([...(order.routingKeys ?? []), ...Object.keys(eventSchemas)])].toSorted();
  // Unbinding a missing binding is no error.
  for (const key of unbound) await channel.unbindQueue(name, EVENTS_EXCHANGE, key);
  const left = (await found(model, familyOf(name))).filter(({ ready, consumers }) => ready > 0 || consumers > 0);
  if (left.length > 0 && !force) return { unbound, deleted: [], left };
  // Quorum queues of 3.10 have no "if empty"; they were just checked, and nothing is bound to them any more.
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
    const channel = await openQuietChannel(model);
    try {
      const { messageCount: ready, consumerCount: consumers } = await channel.checkQueue(name);
      queues.push({ name, ready, consumers });
      await channel.close();
    } catch (error) {
      if (replyCodeOf(error) !== replyCode.notFound) throw error;
    }
  }
  return queues;
};
