import { connect, type GetMessage } from 'amqplib';
import { describe, inject } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { freshVhost } from '#lib/testing/databases';
import { type BusPlan, type BusUnderTest, busContract } from '../../bus.contract.js';
import type { WireMessage } from '../../wire-message.js';
import { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitServer } from './rabbit-server.js';

const logger = createLogger('test', process.env['BUS_LOG'] ?? 'silent');

const start = async ({ pipeline, retryDelaysMs, room }: BusPlan): Promise<BusUnderTest> => {
  const vhost = await freshVhost(inject('stack'));
  const url = vhost.url;
  const publisher = new RabbitPublisher({
    url,
    app: 'test',
    window: 256,
    confirmTimeoutMs: 5_000,
    heartbeatS: 5,
    logger,
    retryDelaysMs,
    pipeline: Object.fromEntries(Object.entries(pipeline).map(([queue, row]) => [queue, { ...row, maxLength: room }])),
  });
  await publisher.start();
  const operator = await connect(url, { noDelay: true });
  operator.on('error', () => undefined);
  const channel = await operator.createChannel();
  return {
    publisher,
    serve: (options) => new RabbitServer({ app: 'embedding', url, heartbeatS: 5, publisher, logger, pipeline, ...options }),
    copyTo: (queue, message) => publisher.copyTo(queue, message),
    readyIn: async (queue) => (await channel.checkQueue(queue)).messageCount,
    takeAll: async (queue) => {
      const taken: WireMessage[] = [];
      for (let next = await channel.get(queue, { noAck: true }); next !== false; next = await channel.get(queue, { noAck: true })) {
        taken.push(asWireMessage(next));
      }
      return taken;
    },
    stop: async () => {
      await publisher.stop();
      await operator.close();
      await vhost.drop();
    },
  };
};

const asWireMessage = ({ properties, fields, content }: GetMessage): WireMessage => ({
  id: properties.messageId as string | undefined,
  type: (properties.type as string | undefined) ?? fields.routingKey,
  publishedAt: undefined,
  headers: properties.headers ?? {},
  body: content,
});

describe('RabbitMQ', () => {
  busContract(start);
});
