import { type ChannelModel, connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { freshVhost } from '#lib/testing/databases';
import { aRow } from '../../builders.contract.js';
import { RabbitPublisher } from './rabbit-publisher.js';
import { retireQueue } from './retire-queue.js';

const IN_USE = ['embedding.messages'];
let vhost: Awaited<ReturnType<typeof freshVhost>>;
let model: ChannelModel;
let publisher: RabbitPublisher;
beforeAll(async () => {
  vhost = await freshVhost(inject('stack'));
  model = await connect(vhost.url);
  const options = { url: vhost.url, app: 'test', window: 8, confirmTimeoutMs: 5_000, heartbeatS: 5 };
  const pipeline = { 'embedding.messages': aRow(), 'scoring.old': aRow({ app: 'scoring', maxLength: 2 }) };
  publisher = new RabbitPublisher({ ...options, logger: createLogger('test', 'silent'), pipeline });
  await publisher.start();
});
afterAll(async () => {
  await publisher.stop();
  await model.close();
  await vhost.drop();
});

describe('retiring the queue of a removed consumer', () => {
  it('a retired queue is unbound at once, so that it refuses no publish, and deleted with its satellites only by force while it holds messages', async () => {
    const kinds: string[] = [];
    for (let i = 0; i < 6; i += 1) kinds.push((await publisher.publish(aMessageCreated())).kind);
    expect(kinds.at(-1)).toBe('nacked');

    const first = await retireQueue(model, { name: 'scoring.old', force: false, inUse: IN_USE });
    expect(first).toMatchObject({ deleted: [], left: [{ name: 'scoring.old', consumers: 0 }] });
    expect(await publisher.publish(aMessageCreated())).toEqual({ kind: 'confirmed' });

    const { deleted } = await retireQueue(model, { name: 'scoring.old', force: true, inUse: IN_USE });
    expect(deleted).toEqual(['scoring.old', 'scoring.old.retry.1', 'scoring.old.retry.2', 'scoring.old.retry.3', 'scoring.old.dlq']);
    await expect(retireQueue(model, { name: 'scoring.old', force: false, inUse: IN_USE })).rejects.toMatchObject({ code: 'not-found' });
  });

  it.each(['embedding.messages', 'embedding.messages.retry.2', 'embedding.messages.dlq'])(
    'a queue in use is not retired: %s',
    async (name) => {
      await expect(retireQueue(model, { name, force: true, inUse: IN_USE })).rejects.toMatchObject({ code: 'validation' });
    },
  );
});
