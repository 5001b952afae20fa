import { describe, inject } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { type BusPlan, type BusUnderTest, busContract } from '../../bus.contract.js';
import { rabbitOperator } from './rabbit-operator.contract.js';
import { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitServer } from './rabbit-server.js';

const logger = createLogger('test', process.env['BUS_LOG'] ?? 'silent');

const start = async ({ pipeline, retryDelaysMs, room }: BusPlan): Promise<BusUnderTest> => {
  const operator = await rabbitOperator(inject('stack'));
  const { url } = operator;
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
  return {
    publisher,
    serve: (options) => new RabbitServer({ app: 'embedding', url, heartbeatS: 5, publisher, logger, pipeline, ...options }),
    copyTo: (queue, message) => publisher.copyTo(queue, message),
    readyIn: operator.readyIn,
    takeAll: operator.takeAll,
    stop: async () => {
      await publisher.stop();
      await operator.stop();
    },
  };
};

describe('RabbitMQ', () => {
  busContract(start);
});
