import { EventEmitter } from 'node:events';
import type { ChannelModel } from 'amqplib';
import { expect, it, vi } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { RabbitDeliverySource } from './rabbit-delivery-source.js';

/** A connection whose channels work, or have ended before anything listened to them. */
const aModel = (isOver: boolean) => {
  const answer = vi.fn(async () => {
    if (isOver) throw new Error('Channel ended, no reply will be forthcoming');
  });
  const consume = vi.fn(() => answer());
  const channel = Object.assign(new EventEmitter(), { prefetch: answer, consume, cancel: answer, close: answer });
  return { model: { createChannel: async () => channel } as unknown as ChannelModel, answer, consume };
};

it('a source whose channel ended before its end could be heard consumes over the next connection', async () => {
  const source = new RabbitDeliverySource({
    queue: 'embedding.messages',
    prefetch: 10,
    consumerTag: 'test',
    publisher: { copyTo: async () => ({ kind: 'confirmed' }) },
    logger: createLogger('test', 'silent'),
    onMissing: () => undefined,
  });
  const lost: number[] = [];
  source.listen({ onDelivery: () => undefined, onLost: (generation) => lost.push(generation) });
  const [over, alive] = [aModel(true), aModel(false)];
  source.consume();
  source.attach(over.model);
  await eventually(() => expect(over.answer).toHaveBeenCalled());

  source.detach();
  source.attach(alive.model);

  await eventually(() => expect(alive.consume).toHaveBeenCalledOnce());
  expect(lost).toEqual([1]);
  await source.close();
});
