import { connect } from 'amqplib';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { aRow, SwitchedBreakers } from '../../builders.contract.js';
import { PipelineTroubles } from '../../queue-status/pipeline-trouble.js';
import { QueueWatch } from '../../queue-status/queue-watch.js';
import { RabbitControlChannel } from './rabbit-control-channel.js';
import { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitQueueStatus } from './rabbit-queue-status.js';
import { RabbitServer } from './rabbit-server.js';

const QUEUE = 'embedding.messages';
const pipeline = { [QUEUE]: aRow({ batch: { size: 1, waitMs: 1 }, concurrency: 1 }) };
const stack = inject('stack');
const logger = createLogger('test', 'fatal');

let vhost: Awaited<ReturnType<typeof freshVhost>>;
beforeAll(async () => {
  vhost = await freshVhost(stack);
});
afterAll(async () => vhost.drop());

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});
const until = <T>(end: (thing: T) => Promise<unknown>, thing: T): T => {
  ends.push(() => end(thing));
  return thing;
};

const place = () => ({ url: vhost.url, heartbeatS: 5, logger });

const aWatch = async (managementUrl?: string): Promise<QueueWatch> => {
  const status = until((each) => each.stop(), new RabbitQueueStatus({ ...place(), app: 'ops', pipeline, managementUrl }));
  const control = until((each) => each.stop(), new RabbitControlChannel({ ...place(), app: 'ops' }));
  await Promise.all([status.start(), control.start()]);
  return new QueueWatch(status, control);
};

const aPublisher = async (): Promise<RabbitPublisher> => {
  const options = { ...place(), app: 'test', window: 64, confirmTimeoutMs: 5_000, pipeline };
  const publisher = until((each) => each.stop(), new RabbitPublisher(options));
  await publisher.start();
  return publisher;
};

it('a queue view has pauses, ages and unacknowledged messages without the management API, and an age that goes on when the consumer is gone', async () => {
  const publisher = await aPublisher();
  const breakers = new SwitchedBreakers();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const server = until(
    (each) => each.close(),
    new RabbitServer({ ...place(), app: 'embedding', publisher, breakers, pipeline, drainMs: 100 }),
  );
  server.addHandler(QUEUE, async () => released, true);
  await new Promise<void>((resolve) => void server.listen(() => resolve()));
  const watch = await aWatch();
  const line = async () => (await watch.read()).items[0];

  const longAgo = { ...aMessageCreated(), occurredAt: new Date(Date.now() - 60_000).toISOString() };
  for (const event of [longAgo, aMessageCreated(), aMessageCreated()]) await publisher.publish(event);
  await eventually(async () => expect(await line()).toMatchObject({ unacked: expect.any(Number), paused: false, consumers: 1 }));
  await eventually(async () => expect((await line())?.oldestAgeSeconds).toBeGreaterThanOrEqual(59));
  expect((await line())?.unacked).toBeGreaterThan(0);

  breakers.switch('chroma', 'open');
  await eventually(async () => expect(await line()).toMatchObject({ paused: true, pausedSince: expect.any(String) }));
  expect(new PipelineTroubles().find(await watch.read(), 0)).toEqual([`queue-paused ${QUEUE}`]);

  release();
  await server.close();
  // Two that were never handled went back to the queue or round through a retry tier, and from there back.
  await eventually(
    async () => {
      expect(await line()).toMatchObject({ consumers: 0, paused: null });
      expect((await line())?.ready).toBeGreaterThan(0);
      expect((await line())?.oldestAgeSeconds).toBeGreaterThan(0);
    },
    { timeoutMs: 20_000 },
  );
});

it('a queue that is missing takes no count from another one that is read in the same moment', async () => {
  await aPublisher(); // declares the queues
  const status = until((each) => each.stop(), new RabbitQueueStatus({ ...place(), app: 'ops', pipeline, retired: ['gone', 'gone-too'] }));
  await status.start();

  const [queues, retired] = await Promise.all([status.read(), status.unknownQueues()]);

  expect(queues).toMatchObject([{ name: QUEUE, ready: expect.any(Number), deadLetters: expect.any(Number) }]);
  expect(retired).toBeNull();
});

it('a bound queue that the pipeline does not have is listed, and is a trouble when it fills', async () => {
  const publisher = await aPublisher();
  const watch = await aWatch(stack.rabbitmqManagementUrl);
  const model = await connect(vhost.url, { timeout: 5_000 });
  ends.push(() => model.close());
  const channel = await model.createChannel();
  await channel.assertQueue('old.messages');
  await channel.bindQueue('old.messages', 'parley.events', 'message.created');
  await eventually(
    async () => expect(await watch.read()).toMatchObject({ items: [{}, { name: 'old.messages', unknown: true }], unknownCount: 1 }),
    {
      timeoutMs: 20_000,
    },
  );

  await publisher.publish(aMessageCreated());

  await eventually(async () => expect(new PipelineTroubles().find(await watch.read(), 0)).toContain('unknown-queue'), {
    timeoutMs: 20_000,
  });
});
