import { hostname } from 'node:os';
import { type ChannelModel, connect } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MessageEvent, ParleyEvent } from '#lib/contracts/events';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated, deletionOf } from '#lib/testing/builders';
import { freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { aRow, SwitchedBreakers } from '../../builders.contract.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { deadLetterQueue, MAX_RETURNS, type PipelineRows, topologyOf } from '../../topology.js';
import { header } from '../../wire-message.js';
import { RabbitPublisher, type RabbitPublisherOptions } from './rabbit-publisher.js';
import { RabbitQueueStatus } from './rabbit-queue-status.js';
import { RabbitServer, type RabbitServerOptions } from './rabbit-server.js';

const QUEUE = 'embedding.messages';
const SIBLING = 'embedding.documents';
const RETRY_DELAYS_MS = [100, 200, 400];
const logger = createLogger('test', process.env['BUS_LOG'] ?? 'silent');

describe('RabbitMQ in trouble', { timeout: 120_000 }, () => {
  let stack: PrivateStack;
  let vhost: Awaited<ReturnType<typeof freshVhost>>;
  /** What must be ended after a test, last first. */
  let open: (() => Promise<unknown>)[];

  beforeAll(async () => {
    stack = await startPrivateStack({ only: ['rabbitmq'] });
  }, 180_000);
  afterAll(() => stack.stop());

  beforeEach(async () => {
    open = [];
    vhost = await freshVhost(stack);
  });
  afterEach(async () => {
    for (const end of open.reverse()) await end();
    await vhost.drop();
  });

  const until = <T>(end: (thing: T) => Promise<unknown>, thing: T): T => {
    open.push(() => end(thing));
    return thing;
  };

  const aPublisher = (options: Partial<RabbitPublisherOptions> = {}): RabbitPublisher =>
    until(
      (publisher) => publisher.stop(),
      new RabbitPublisher({
        url: vhost.url,
        app: 'test',
        window: 256,
        confirmTimeoutMs: 5_000,
        heartbeatS: 2,
        logger,
        pipeline: { [QUEUE]: aRow() },
        retryDelaysMs: RETRY_DELAYS_MS,
        ...options,
      }),
    );

  const aStartedPublisher = async (options: Partial<RabbitPublisherOptions> = {}): Promise<RabbitPublisher> => {
    const publisher = aPublisher(options);
    await publisher.start();
    expect(publisher.isHealthy).toBe(true);
    return publisher;
  };

  type Handlers = Record<string, (events: readonly MessageEvent[]) => unknown>;

  const serve = async (
    publisher: RabbitPublisher,
    handlers: Handlers,
    options: Partial<RabbitServerOptions> = {},
  ): Promise<RabbitServer> => {
    const server = new RabbitServer({
      app: 'embedding',
      url: vhost.url,
      heartbeatS: 2,
      publisher,
      breakers: new SwitchedBreakers(),
      drainMs: 2_000,
      logger,
      pipeline: { [QUEUE]: aRow() },
      ...options,
      timing: { retryDelaysMs: RETRY_DELAYS_MS, ...options.timing },
    });
    for (const [queue, handler] of Object.entries(handlers))
      server.addHandler(queue, async (events: MessageEvent[]) => handler(events), true);
    await new Promise<void>((resolve, reject) => {
      void server.listen((error) => (error === undefined ? resolve() : reject(error)));
    });
    return until((each) => each.close(), server);
  };

  const operator = async (): Promise<ChannelModel> => {
    const connection = await connect(vhost.url, { noDelay: true });
    connection.on('error', () => undefined);
    return until((each) => each.close().catch(() => undefined), connection);
  };

  const proxied = async (): Promise<{ proxy: FaultProxy; url: string }> => {
    const proxy = until((each) => each.stop(), await FaultProxy.before(vhost.url));
    return { proxy, url: proxy.through(vhost.url) };
  };

  /** Publishes as an outbox does: until each is confirmed. */
  const publishAll = async (publisher: RabbitPublisher, events: readonly ParleyEvent[]): Promise<void> => {
    const publishOne = (event: ParleyEvent) =>
      eventually(async () => expect((await publisher.publish(event)).kind).toBe('confirmed'), { timeoutMs: 60_000, everyMs: 100 });
    await Promise.all(events.map(publishOne));
  };

  const manage = async (path: string, method = 'GET', body?: object): Promise<unknown> => {
    const { origin, username, password } = new URL(stack.rabbitmqManagementUrl);
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const answer = await fetch(`${origin}/api/${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return answer.status === 200 ? answer.json() : undefined;
  };

  describe('the broker goes away', () => {
    it('no confirmed event is lost when the broker is killed under publishing and consuming', async () => {
      const publisher = await aStartedPublisher();
      const handled = new Set<string>();
      await serve(publisher, { [QUEUE]: (events) => events.forEach(({ eventId }) => handled.add(eventId)) });
      const events = messages(3_000);
      const publishing = publishAll(publisher, events);
      await eventually(() => expect(handled.size).toBeGreaterThan(100));

      await stack.rabbitmq.kill();
      await eventually(() => expect(publisher.isHealthy).toBe(false));
      await stack.rabbitmq.start();

      await publishing;
      const missing = () => events.filter(({ eventId }) => !handled.has(eventId)).length;
      await eventually(() => expect(missing()).toBe(0), { timeoutMs: 30_000 });
      expect(publisher.isHealthy).toBe(true);
    });

    it('a process starts without a broker, refuses at once, and works as soon as there is one', async () => {
      await stack.rabbitmq.kill();
      const publisher = aPublisher();
      const handled: MessageEvent[] = [];
      const startedAt = performance.now();
      await publisher.start();
      const server = await serve(publisher, { [QUEUE]: (events) => void handled.push(...events) });
      expect(performance.now() - startedAt).toBeLessThan(6_000);
      expect(publisher.isHealthy).toBe(false);
      expect(server.isConnected).toBe(false);
      expect(await timed(publisher.publish(aMessageCreated()))).toEqual({ outcome: nacked('not connected'), isFast: true });

      await stack.rabbitmq.start();
      const event = aMessageCreated();
      await publishAll(publisher, [event]);
      await eventually(() => expect(handled).toEqual([event]), { timeoutMs: 20_000 });
    });

    it('a frozen broker is noticed within the confirm timeout, and the process stops in time', async () => {
      const publisher = await aStartedPublisher({ confirmTimeoutMs: 500, heartbeatS: 60 });
      let release: () => void = () => undefined;
      const server = await serve(
        publisher,
        { [QUEUE]: () => new Promise<void>((resolve) => (release = resolve)) },
        { drainMs: 1_000, heartbeatS: 60 },
      );
      await publisher.publish(aMessageCreated());
      await stack.rabbitmq.pause();
      try {
        const outcome = await publisher.publish(aMessageCreated());
        expect(outcome.kind).toBe('ambiguous');
        release();
        const startedAt = performance.now();
        await server.close();
        await publisher.stop();
        expect(performance.now() - startedAt).toBeLessThan(15_000);
      } finally {
        await stack.rabbitmq.resume();
      }
    });

    it('a handshake that never ends is given up', async () => {
      const { proxy, url } = await proxied();
      await proxy.set({ kind: 'hang' });
      const publisher = aPublisher({ url });
      const startedAt = performance.now();
      await publisher.start();
      expect(performance.now() - startedAt).toBeLessThan(6_000);
      await proxy.heal();
      await eventually(() => expect(publisher.isHealthy).toBe(true));
    });

    it('a connection silent for twice the confirm timeout is given up without waiting for the heartbeat', async () => {
      const { proxy, url } = await proxied();
      const publisher = await aStartedPublisher({ url, confirmTimeoutMs: 200, heartbeatS: 60 });
      await proxy.set({ kind: 'hang' });
      expect((await publisher.publish(aMessageCreated())).kind).toBe('ambiguous');
      expect(publisher.isHealthy).toBe(true);
      await eventually(() => expect(publisher.isHealthy).toBe(false), { timeoutMs: 2_000 });
      await proxy.heal();
      await eventually(async () => expect(await publisher.publish(aMessageCreated())).toEqual({ kind: 'confirmed' }));
    });

    it('a publisher keeps no more than its window and its line while the broker is silent', async () => {
      const { proxy, url } = await proxied();
      const publisher = await aStartedPublisher({ url, window: 2, confirmTimeoutMs: 400, heartbeatS: 60 });
      await proxy.set({ kind: 'hang' });
      const outcomes = await Promise.all(messages(20).map((event) => publisher.publish(event)));
      const reasons = outcomes.map((outcome) => ('reason' in outcome ? outcome.reason : outcome.kind));
      expect(reasons.filter((reason) => reason === 'no confirm within 400 ms')).toHaveLength(2);
      expect(reasons.filter((reason) => reason === 'the confirm window is full')).toHaveLength(18);
    });

    it('each event is handled once although the connection is reset with a hundred in progress', async () => {
      const { proxy, url } = await proxied();
      const publisher = await aStartedPublisher();
      const pipeline = { [QUEUE]: aRow({ batch: { size: 1, waitMs: 0 }, concurrency: 100, deadlineMs: 60_000 }) };
      const started: string[] = [];
      const finished: string[] = [];
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      const handler = async ([event]: readonly MessageEvent[]) => {
        started.push(event?.eventId ?? '');
        await gate;
        finished.push(event?.eventId ?? '');
      };
      await serve(publisher, { [QUEUE]: handler }, { url, pipeline });
      await publishAll(publisher, messages(100));
      await eventually(() => expect(started).toHaveLength(100));

      await proxy.set({ kind: 'reset' }, 'existing');
      await eventually(() => expect(proxy.connectionCount).toBe(1));
      release();

      const channel = await (await operator()).createChannel();
      await eventually(async () => {
        expect(finished).toHaveLength(100);
        expect((await channel.checkQueue(QUEUE)).messageCount).toBe(0);
      });
      expect(new Set(started).size).toBe(100);
      expect(started).toHaveLength(100);
    });

    it('no event is lost or repeated when the connection breaks between the copy for retry and the ack', async () => {
      const { proxy, url } = await proxied();
      const publisher = await aStartedPublisher();
      const tries: string[] = [];
      const breaking = new Proxy(publisher, {
        get: (target, name) => {
          if (name !== 'copyTo') return Reflect.get(target, name);
          return async (...args: Parameters<RabbitPublisher['copyTo']>): Promise<PublishOutcome> => {
            const outcome = await target.copyTo(...args);
            await proxy.set({ kind: 'reset' }, 'existing');
            return outcome;
          };
        },
      });
      await serve(
        breaking,
        {
          [QUEUE]: (events) => {
            tries.push(...events.map(({ eventId }) => eventId));
            throw new Error('fails each time');
          },
        },
        { url },
      );
      const event = aMessageCreated();
      await publishAll(publisher, [event]);

      const channel = await (await operator()).createChannel();
      await eventually(async () => expect((await channel.checkQueue(deadLetterQueue(QUEUE))).messageCount).toBe(1), { timeoutMs: 30_000 });
      await eventually(async () => expect((await channel.checkQueue(QUEUE)).messageCount).toBe(0));
      expect(tries).toHaveLength(3);
    });
  });

  describe('the broker is short of memory', () => {
    it('a blocked publisher refuses at once, consumers still acknowledge, and both go on when the alarm is over', async () => {
      const publisher = await aStartedPublisher();
      const health: boolean[] = [];
      publisher.onHealthChange((isHealthy) => health.push(isHealthy));
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      let isStarted = false;
      const pipeline = { [QUEUE]: aRow({ deadlineMs: 60_000 }) };
      const handler = () => {
        isStarted = true;
        return gate;
      };
      await serve(publisher, { [QUEUE]: handler }, { pipeline });
      await publishAll(publisher, [aMessageCreated()]);
      await eventually(() => expect(isStarted).toBe(true));

      await stack.rabbitmq.rabbitmqctl(['set_vm_memory_high_watermark', 'absolute', '1000000']);
      try {
        // The broker tells a connection when it next publishes.
        await eventually(async () => {
          await publisher.publish(aMessageCreated());
          expect(publisher.isHealthy).toBe(false);
        });
        expect(await timed(publisher.publish(aMessageCreated()))).toEqual({
          outcome: nacked('the broker blocks publishers'),
          isFast: true,
        });
        release();
        await eventually(async () => expect(await unackedIn(QUEUE)).toBe(0), { timeoutMs: 20_000 });
      } finally {
        await stack.rabbitmq.rabbitmqctl(['set_vm_memory_high_watermark', '0.4']);
      }
      await publishAll(publisher, [aMessageCreated()]);
      expect(health).toEqual([false, true]);
    });

    const unackedIn = async (queue: string): Promise<number> => {
      const { messages_unacknowledged: unacked } = (await manage(`queues/${vhost.name}/${queue}`)) as { messages_unacknowledged: number };
      return unacked;
    };
  });

  describe('a channel fails alone', () => {
    it('a consumer whose channel the broker closes consumes again within two seconds, and its sibling is not disturbed', async () => {
      // The broker's own way of ending a channel with 406: a delivery that was kept for too long.
      await stack.rabbitmq.rabbitmqctl([
        'eval',
        'application:set_env(rabbit, consumer_timeout, 1500), application:set_env(rabbit, channel_tick_interval, 500).',
      ]);
      open.push(() =>
        stack.rabbitmq.rabbitmqctl([
          'eval',
          'application:set_env(rabbit, consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000).',
        ]),
      );
      const pipeline = twoQueues();
      const publisher = await aStartedPublisher({ pipeline });
      const started: string[] = [];
      const handled: string[] = [];
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      await serve(
        publisher,
        {
          [QUEUE]: (events) => {
            started.push(...idsOf(events));
            return gate;
          },
          [SIBLING]: (events) => void handled.push(...idsOf(events)),
        },
        { pipeline },
      );
      const slow = aMessageCreated();
      await publishAll(publisher, [slow]);
      await eventually(() => expect(started).toEqual([slow.eventId]));
      await eventually(async () => expect(await channelsOf(QUEUE)).toHaveLength(1), { timeoutMs: 20_000 });
      const [ours, siblings] = [await channelsOf(QUEUE), await channelsOf(SIBLING)];

      await eventually(async () => expect(await channelsOf(QUEUE)).not.toEqual(ours), { timeoutMs: 20_000 });
      release();

      const [next, deletion] = [aMessageCreated(), deletionOf(slow)];
      await publishAll(publisher, [next, deletion]);
      await eventually(() => expect(started).toContain(next.eventId));
      await eventually(() => expect(handled).toEqual([deletion.eventId]));
      expect(await channelsOf(SIBLING)).toEqual(siblings);
      expect(started).toEqual([slow.eventId, next.eventId]);
    });

    it('a deleted queue is declared and consumed again', async () => {
      const publisher = await aStartedPublisher();
      const handled: MessageEvent[] = [];
      await serve(publisher, { [QUEUE]: (events) => void handled.push(...events) });
      const channel = await (await operator()).createChannel();
      await channel.deleteQueue(QUEUE);

      const event = aMessageCreated();
      const outcomes: string[] = [];
      await eventually(async () => {
        const { kind } = await publisher.publish(event);
        outcomes.push(kind);
        expect(kind).toBe('confirmed');
      });
      await eventually(() => expect(handled.map(({ eventId }) => eventId)).toContain(event.eventId));
    });

    it('an event without a queue is reported as returned although the broker confirms it, and the missing queue is declared', async () => {
      const publisher = await aStartedPublisher();
      const channel = await (await operator()).createChannel();
      await channel.deleteQueue(QUEUE);

      const outcome = await publisher.publish(aMessageCreated());

      expect(outcome).toEqual({ kind: 'returned', reason: 'NO_ROUTE for message.created' });
      await eventually(async () => expect(await publisher.publish(aMessageCreated())).toEqual({ kind: 'confirmed' }));
    });

    it('a publisher whose channel the broker closes publishes over a new one', async () => {
      const publisher = await aStartedPublisher();
      // An exchange that is gone ends the channel of its publisher.
      const channel = await (await operator()).createChannel();
      await channel.deleteExchange('parley.events');
      const outcome = await publisher.publish(aMessageCreated());
      expect(outcome.kind).toBe('ambiguous');
      await channel.assertExchange('parley.events', 'topic', { durable: true });
      await channel.bindQueue(QUEUE, 'parley.events', 'message.created');
      await eventually(async () => expect(await publisher.publish(aMessageCreated())).toEqual({ kind: 'confirmed' }));
    });

    it('a deleted exchange is declared again with its bindings, and failures are reported meanwhile with their start', async () => {
      const publisher = await aStartedPublisher();
      const channel = await (await operator()).createChannel();
      await channel.deleteExchange('parley.events');

      const outcome = await publisher.publish(aMessageCreated());

      expect(outcome).toEqual({ kind: 'ambiguous', reason: 'channel closed by 404' });
      expect(publisher.failures).toMatchObject([{ routingKey: 'message.created', code: 404, since: expect.any(Date) }]);
      await eventually(async () => expect(await publisher.publish(aMessageCreated())).toEqual({ kind: 'confirmed' }));
      expect(publisher.failures).toEqual([]);
      expect((await channel.checkQueue(QUEUE)).messageCount).toBe(1);
    });

    it('a full queue is reported, and events that it does not hear go on', async () => {
      const publisher = await aStartedPublisher({ pipeline: twoQueues() });
      const channel = await (await operator()).createChannel();
      await channel.assertQueue('old.messages', { arguments: { ...FULL_AT_ONCE } });
      await channel.bindQueue('old.messages', 'parley.events', 'message.created');

      const kinds = [];
      for (const event of messages(8)) kinds.push((await publisher.publish(event)).kind);
      expect(kinds.at(-1)).toBe('nacked');
      expect(await publisher.publish(deletionOf(aMessageCreated()))).toEqual({ kind: 'confirmed' });
      expect(publisher.failures).toMatchObject([{ routingKey: 'message.created', outcome: 'nacked', code: null }]);

      await channel.deleteQueue('old.messages');
      expect(await publisher.publish(aMessageCreated())).toEqual({ kind: 'confirmed' });
      expect(publisher.failures).toEqual([]);
    });

    /** The channels that consume a queue, as the broker names them. */
    const channelsOf = async (queue: string): Promise<string[]> => {
      const all = (await manage(`consumers/${vhost.name}`)) as { queue: { name: string }; channel_details: { name?: string } }[];
      return all.filter((each) => each.queue.name === queue).map(({ channel_details: { name } }) => name ?? '');
    };
  });

  describe('a queue is paused', () => {
    it('a paused queue keeps its deliveries on the same channel, and none is returned to the broker', async () => {
      const publisher = await aStartedPublisher();
      const breakers = new SwitchedBreakers();
      const handled: string[] = [];
      let isOut = true;
      const handler = (events: readonly MessageEvent[]) => {
        if (isOut) throw new DependencyError('chroma', 'upsert', 'unavailable');
        handled.push(...idsOf(events));
      };
      const server = await serve(publisher, { [QUEUE]: handler }, { breakers });
      const lost = watchForLostConnections(server);
      const events = messages(60);
      await publishAll(publisher, events);
      await eventually(() => expect(server.pauseStates()[QUEUE]).toBe('paused'));
      for (let round = 0; round < 5; round += 1) {
        breakers.switch('chroma', 'open');
        breakers.switch('chroma', 'half-open');
        await eventually(() => expect(server.pauseStates()[QUEUE]).toBe('paused'));
      }
      breakers.switch('chroma', 'open');
      isOut = false;
      breakers.switch('chroma', 'half-open');
      breakers.switch('chroma', 'closed');
      await eventually(() => expect(handled).toHaveLength(60));
      expect(new Set(handled)).toEqual(new Set(idsOf(events)));
      const channel = await (await operator()).createChannel();
      expect((await channel.checkQueue(deadLetterQueue(QUEUE))).messageCount).toBe(0);
      expect(lost()).toBe(false);
    });

    const watchForLostConnections = (server: RabbitServer): (() => boolean) => {
      const connection = server.unwrap<ChannelModel>();
      return () => server.unwrap<ChannelModel>() !== connection;
    };
  });

  describe('the broker has other queues under the same names', () => {
    it('each difference is reported in words, and the process keeps running', async () => {
      const wanted = topologyOf({ [QUEUE]: aRow() }, RETRY_DELAYS_MS);
      const channel = await (await operator()).createChannel();
      for (const { name, arguments: args } of wanted.queues) {
        const drifted = name.endsWith('.retry.1')
          ? { ...args, 'x-message-ttl': 1 }
          : name === QUEUE
            ? { ...args, 'x-max-length': 7 }
            : args;
        await channel.assertQueue(name, { arguments: drifted });
      }
      const publisher = aPublisher();

      await publisher.start();

      expect(publisher.drift?.differences).toEqual([
        expect.stringMatching(`^queue ${QUEUE}: x-max-length should be 10000, is 7$`),
        expect.stringMatching(`^queue ${QUEUE}\\.retry\\.1: x-message-ttl should be \\d+, is 1$`),
      ]);
      expect(await publisher.publish(aMessageCreated())).toEqual({ kind: 'confirmed' });
    });

    it('a queue that the user may not declare is accepted when it is in place', async () => {
      const declaring = await aStartedPublisher();
      const handled: MessageEvent[] = [];

      const server = await serve(declaring, { [QUEUE]: (events) => void handled.push(...events) }, { url: await asReader() });

      expect(server.drift).toBeUndefined();
      await publishAll(declaring, [aMessageCreated()]);
      await eventually(() => expect(handled).toHaveLength(1));
    });

    it('a missing queue that the user may not declare is named, until another process has declared it', async () => {
      const reading = aPublisher({ url: await asReader() });
      await reading.start();
      expect(reading.drift?.differences).toContainEqual(expect.stringMatching(`no queue '${QUEUE}'`));

      await aStartedPublisher();

      await eventually(() => expect(reading.drift).toBeUndefined());
    });

    /** The URL of a user that may not configure anything. */
    const asReader = async (): Promise<string> => {
      const url = new URL(vhost.url);
      url.username = `reader-${vhost.name}`;
      await manage(`users/${url.username}`, 'PUT', { password: url.password, tags: '' });
      open.push(() => manage(`users/${url.username}`, 'DELETE'));
      await manage(`permissions/${vhost.name}/${url.username}`, 'PUT', { configure: '^$', write: '.*', read: '.*' });
      return url.href;
    };
  });

  describe('a message that crashes its consumers', () => {
    it('poison ends in the dead-letter queue alone: forty-nine other events are handled, however often they were returned together', async () => {
      const publisher = await aStartedPublisher();
      const events = messages(50);
      const killer = events[20]?.eventId ?? '';
      await publishAll(publisher, events);
      const handled = new Set<string>();
      const channel = await (await operator()).createChannel();
      const deadLetterCount = async () => (await channel.checkQueue(deadLetterQueue(QUEUE))).messageCount;

      for (let deaths = 0; (await deadLetterCount()) === 0; deaths += 1) {
        expect(deaths).toBeLessThanOrEqual(MAX_RETURNS);
        const { proxy, url } = await proxied();
        let isDead = false;
        const handler = (batch: readonly MessageEvent[]) => {
          if (!batch.some(({ eventId }) => eventId === killer)) return batch.forEach(({ eventId }) => handled.add(eventId));
          isDead = true;
          return Promise.all([proxy.stop(), new Promise(() => undefined)]); // what is on its way to the broker is lost, as in a crash
        };
        const server = await serve(publisher, { [QUEUE]: handler }, { url, drainMs: 0 });
        await eventually(async () => expect(isDead || (await deadLetterCount()) > 0).toBe(true));
        await server.close();
      }

      await serve(publisher, { [QUEUE]: (batch) => batch.forEach(({ eventId }) => handled.add(eventId)) });
      await eventually(() => expect(handled.size).toBe(49));
      expect(await deadLetterCount()).toBe(1);
      const letter = await channel.get(deadLetterQueue(QUEUE), { noAck: true });
      expect(letter !== false && letter.properties).toMatchObject({ messageId: killer, headers: { [header.errorClass]: 'CrashLoop' } });
    });

    it('poison is handled alone after a few crashes, and dead-lettered with its history before the broker drops it', async () => {
      const publisher = await aStartedPublisher();
      await publishAll(publisher, messages(4));
      await dieWith(4, 5);
      const sizes: number[] = [];
      const server = await serve(publisher, {
        [QUEUE]: (events) => {
          sizes.push(events.length);
        },
      });
      await eventually(() => expect(sizes).toEqual([1, 1, 1, 1]));
      await server.close();

      await publishAll(publisher, messages(1));
      await dieWith(1, MAX_RETURNS);
      await serve(publisher, { [QUEUE]: () => Promise.reject(new Error('must not be called')) });
      const channel = await (await operator()).createChannel();
      await eventually(async () => expect((await channel.checkQueue(deadLetterQueue(QUEUE))).messageCount).toBe(1));
      const letter = await channel.get(deadLetterQueue(QUEUE), { noAck: true });
      expect(letter !== false && letter.properties.headers).toMatchObject({
        [header.errorClass]: 'CrashLoop',
        [header.originQueue]: QUEUE,
      });
    });

    const dieWith = async (messageCount: number, times: number): Promise<void> => {
      const connection = await operator();
      for (let death = 0; death < times; death += 1) {
        const channel = await connection.createChannel();
        let seen = 0;
        await channel.consume(QUEUE, () => (seen += 1));
        await eventually(() => expect(seen).toBe(messageCount));
        await channel.close();
      }
    };
  });

  describe('a message that is too large', () => {
    it('a large message is refused by the broker or dead-lettered unread: no consumer parses megabytes', async () => {
      const publisher = await aStartedPublisher();
      const handled: MessageEvent[] = [];
      await serve(publisher, { [QUEUE]: (events) => void handled.push(...events) });
      const channel = await (await operator()).createConfirmChannel();
      const refused = new Promise<Error>((resolve) => channel.once('error', resolve));
      channel.publish('', QUEUE, Buffer.alloc(3_000_000, '['));
      expect((await refused).message).toMatch(/PRECONDITION_FAILED.*size/);

      const next = await (await operator()).createConfirmChannel();
      next.publish('', QUEUE, Buffer.alloc(1_500_000, '['), { messageId: 'large' });
      await next.waitForConfirms();
      await eventually(async () => expect((await next.checkQueue(deadLetterQueue(QUEUE))).messageCount).toBe(1));
      const letter = await next.get(deadLetterQueue(QUEUE), { noAck: true });
      expect(letter !== false && letter.properties.headers?.[header.error]).toBe('body of 1500000 bytes is too large');
      expect(handled).toEqual([]);
    });
  });

  describe('what operators see', () => {
    it('connections and consumers are named after app, process and queue', async () => {
      const publisher = await aStartedPublisher({ app: 'embedding' });
      await serve(publisher, { [QUEUE]: () => undefined });
      const suffix = `@${hostname()}#${process.pid}`;
      await eventually(
        async () => {
          const connections = (await manage(`vhosts/${vhost.name}/connections`)) as { client_properties: { connection_name?: string } }[];
          expect(new Set(connections.map((each) => each.client_properties.connection_name))).toEqual(
            new Set([`parley-embedding${suffix} consume`, `parley-embedding${suffix} publish`]),
          );
          const consumers = (await manage(`consumers/${vhost.name}`)) as { consumer_tag: string; prefetch_count: number }[];
          expect(consumers).toMatchObject([{ consumer_tag: `embedding${suffix} ${QUEUE}`, prefetch_count: 40 }]);
        },
        { timeoutMs: 20_000 },
      );
    });

    it.each([
      ['the management API', () => stack.rabbitmqManagementUrl, 0],
      ['passive declarations', () => undefined, null],
    ])('unacknowledged messages are counted through %s, and an unknown count is null', async (_, managementUrl, unacked) => {
      const publisher = await aStartedPublisher({ pipeline: twoQueues() });
      await publishAll(publisher, [aMessageCreated(), aMessageCreated()]);
      const watched: PipelineRows = { ...twoQueues(), 'embedding.gone': aRow() };
      const status = until(
        (each) => each.stop(),
        new RabbitQueueStatus({ url: vhost.url, app: 'ops', heartbeatS: 5, logger, managementUrl: managementUrl(), pipeline: watched }),
      );
      await status.start();
      const known = { ready: 2, unacked, consumers: 0, paused: null, oldestAgeSeconds: null, deadLetters: 0 };
      const unknown = { ready: null, unacked: null, consumers: null, paused: null, oldestAgeSeconds: null, deadLetters: null };
      await eventually(
        async () =>
          expect(await status.read()).toEqual([
            { name: QUEUE, ...known },
            { name: SIBLING, ...known, ready: 0 },
            { name: 'embedding.gone', ...unknown },
          ]),
        { timeoutMs: 20_000 },
      );
    });

    it('a bound queue that the pipeline does not have is found; without the management API only one of an earlier version', async () => {
      await aStartedPublisher();
      const channel = await (await operator()).createChannel();
      await channel.assertQueue('scoring.messages');
      await channel.bindQueue('scoring.messages', 'parley.events', 'message.created');
      await channel.bindQueue('scoring.messages', 'parley.events', 'message.deleted');
      const asking = async (managementUrl: string | undefined, retired: readonly string[]) => {
        const options = { url: vhost.url, app: 'ops', heartbeatS: 5, logger, managementUrl, retired, pipeline: { [QUEUE]: aRow() } };
        const status = until((each) => each.stop(), new RabbitQueueStatus(options));
        await status.start();
        return status;
      };
      const [managed, named, blind] = [
        await asking(stack.rabbitmqManagementUrl, []),
        await asking(undefined, ['scoring.messages', 'scoring.gone']),
        await asking(undefined, []),
      ];
      expect(await managed.unknownQueues()).toMatchObject([
        { name: 'scoring.messages', routingKeys: ['message.created', 'message.deleted'] },
      ]);
      expect(await named.unknownQueues()).toEqual([{ name: 'scoring.messages', routingKeys: [], ready: 0, consumers: 0 }]);
      expect(await blind.unknownQueues()).toBeNull();
    });
  });
});

const FULL_AT_ONCE = { 'x-queue-type': 'quorum', 'x-max-length': 1, 'x-overflow': 'reject-publish' } as const;

const twoQueues = (): PipelineRows => ({
  [QUEUE]: aRow({ hears: ['message.created'], deadlineMs: 60_000 }),
  [SIBLING]: aRow({ hears: ['message.deleted'] }),
});

const idsOf = (events: readonly ParleyEvent[]): string[] => events.map(({ eventId }) => eventId);

const messages = (count: number): ParleyEvent[] => Array.from({ length: count }, () => aMessageCreated());

const nacked = (reason: string): PublishOutcome => ({ kind: 'nacked', reason });

const timed = async (publishing: Promise<PublishOutcome>): Promise<{ outcome: PublishOutcome; isFast: boolean }> => {
  const startedAt = performance.now();
  const outcome = await publishing;
  return { outcome, isFast: performance.now() - startedAt < 2_000 };
};
