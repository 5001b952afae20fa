import { randomUUID } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { RabbitDeadLetters } from '#lib/bus/adapters/rabbitmq/rabbit-dead-letters';
import { RabbitPublisher } from '#lib/bus/adapters/rabbitmq/rabbit-publisher';
import { assertTopology } from '#lib/bus/adapters/rabbitmq/rabbit-topology';
import { topologyOf } from '#lib/bus/topology';
import { toWireMessage } from '#lib/bus/wire-message';
import { CONTROL_EXCHANGE } from '#lib/contracts/control';
import { EMBED_NOW_QUEUE, pipeline } from '#lib/contracts/pipeline';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from './builders.js';
import { freshVhost } from './databases.js';
import { eventually } from './eventually.js';
import { importRabbitmqUsers, type ServiceUser, withRabbitmqLogin } from '#lib/devstack/servers/service-logins';

const { rabbitmqUrl, rabbitmqManagementUrl } = inject('stack');

/** docker/rabbitmq/definitions.json, which is printed from the pipeline, against a broker and the topology that the code declares. */
describe('the RabbitMQ users of the services', () => {
  const open: ChannelModel[] = [];

  beforeAll(async () => {
    await importRabbitmqUsers(rabbitmqManagementUrl, 'parley');
    await assertTopology(await as('parley-ops'), topologyOf(pipeline));
  });
  afterAll(() => Promise.all(open.map((model) => model.close())));

  /** The virtual host of the definitions, under the login of this user. */
  function urlOf(user: string): string {
    const url = new URL(withRabbitmqLogin(rabbitmqUrl, user.replace('parley-', '') as ServiceUser));
    url.pathname = '/parley';
    return url.href;
  }

  async function as(user: string): Promise<ChannelModel> {
    const model = await connect(urlOf(user), { timeout: 5_000 });
    model.on('error', () => undefined);
    open.push(model);
    return model;
  }

  /** What the broker says to one operation on a channel of its own: `ok`, or the refusal. */
  async function attempt(
    user: string,
    operation: (channel: Awaited<ReturnType<ChannelModel['createConfirmChannel']>>) => Promise<unknown>,
  ): Promise<string> {
    const channel = await (await as(user)).createConfirmChannel();
    const refused = new Promise<string>((resolve) => channel.once('error', (error: Error) => resolve(error.message)));
    return Promise.race([operation(channel).then(() => 'ok'), refused]).catch((error: Error) => error.message);
  }

  it.each(['parley-ops', 'parley-embedding', 'parley-gateway'])('%s finds the topology as it wants it', async (user) => {
    await expect(assertTopology(await as(user), topologyOf(pipeline))).resolves.toBeUndefined();
  });

  it('let each publish events', async () => {
    for (const user of ['parley-ops', 'parley-embedding', 'parley-gateway']) {
      const sent = await attempt(user, (channel) => {
        channel.publish('parley.events', 'nobody.hears.this', Buffer.from('{}'));
        return channel.waitForConfirms();
      });
      expect(sent).toBe('ok');
    }
  });

  it('let embedding answer on its request queue and the gateway ask there', async () => {
    expect(await attempt('parley-embedding', (channel) => channel.assertQueue(EMBED_NOW_QUEUE, { durable: false, autoDelete: true }))).toBe(
      'ok',
    );
    const asked = await attempt('parley-gateway', async (channel) => {
      await channel.consume('amq.rabbitmq.reply-to', () => undefined, { noAck: true });
      channel.publish('', EMBED_NOW_QUEUE, Buffer.from('{}'), { replyTo: 'amq.rabbitmq.reply-to' });
      await channel.waitForConfirms();
    });
    expect(asked).toBe('ok');
  });

  it.each(['parley-gateway', 'parley-ops', 'parley-cli'])('let %s look at dead letters and send them back', async (user) => {
    const options = { url: urlOf(user), app: 'test', heartbeatS: 5, logger: createLogger('test', 'silent') };
    const publisher = new RabbitPublisher({ ...options, window: 8, confirmTimeoutMs: 5_000 });
    await publisher.start();
    try {
      const letter = toWireMessage(aMessageCreated());
      expect(await publisher.copyTo('embedding.messages', letter)).toEqual({ kind: 'confirmed' });
      const seen = new RabbitDeadLetters({ ...options, publisher }).lock('embedding.messages', async (letters) => letters.next());
      await expect(seen).resolves.toBeUndefined();
    } finally {
      await publisher.stop();
    }
  });

  it('let no event be published while a queue is missing that another process declares: its consumer would never hear of it', async () => {
    const vhost = await freshVhost({ rabbitmqUrl, rabbitmqManagementUrl });
    await importRabbitmqUsers(rabbitmqManagementUrl, vhost.name);
    const logger = createLogger('test', 'silent');
    const url = withRabbitmqLogin(vhost.url, 'gateway');
    const publisher = new RabbitPublisher({ url, app: 'gateway', heartbeatS: 10, logger, window: 8, confirmTimeoutMs: 5_000 });
    const ops = await connect(withRabbitmqLogin(vhost.url, 'ops'), { timeout: 5_000 });
    try {
      const { exchange, queues, bindings } = topologyOf(pipeline);
      // As far as ops has come: one queue that hears of messages is there, the others are not yet.
      const only = ({ name }: { name: string }) => name.startsWith('embedding.messages');
      await assertTopology(ops, { exchange, queues: queues.filter(only), bindings: bindings.filter(({ queue }) => only({ name: queue })) });
      await publisher.start();
      expect(await publisher.publish(aMessageCreated())).toMatchObject({ kind: 'nacked' });
      await assertTopology(ops, { exchange, queues, bindings });
      const event = aMessageCreated();
      await eventually(async () => expect(await publisher.publish(event)).toEqual({ kind: 'confirmed' }), { timeoutMs: 15_000 });
      const channel = await ops.createChannel();
      for (const name of ['embedding.messages', 'delivery.messages', 'scoring.messages'])
        expect(await channel.checkQueue(name)).toMatchObject({ messageCount: 1 });
    } finally {
      await publisher.stop();
      await ops.close();
      await vhost.drop();
    }
  });

  it.each(['gateway', 'realtime', 'embedding', 'ops'])('let %s take part in the control channel, under its own name only', async (app) => {
    const takePart = (name: string) =>
      attempt(`parley-${app}`, async (channel) => {
        await channel.assertExchange(CONTROL_EXCHANGE, 'fanout', { durable: true });
        const { queue } = await channel.assertQueue(`${CONTROL_EXCHANGE}.${name}.${randomUUID()}`, { exclusive: true, autoDelete: true });
        await channel.bindQueue(queue, CONTROL_EXCHANGE, '');
        await channel.consume(queue, () => undefined, { noAck: true });
        channel.publish(CONTROL_EXCHANGE, '', Buffer.from('{}'));
        await channel.waitForConfirms();
      });
    expect(await takePart(app)).toBe('ok');
    expect(await takePart('billing')).toContain('ACCESS_REFUSED');
  });

  it('let the monitoring user read the queues of all, and nothing else; no user of a service is an administrator', async () => {
    const ask = async (user: ServiceUser, path: string) => {
      const { origin, username, password } = new URL(withRabbitmqLogin(rabbitmqManagementUrl, user));
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
      return (await fetch(`${origin}/api/${path}`, { headers: { authorization }, signal: AbortSignal.timeout(5_000) })).status;
    };
    expect(await ask('monitor', 'queues/parley')).toBe(200);
    expect(await attempt('parley-monitor', (channel) => channel.get('embedding.messages'))).toContain('ACCESS_REFUSED');
    for (const user of ['monitor', 'gateway', 'realtime', 'embedding', 'ops', 'cli'] as const) expect(await ask(user, 'users')).toBe(401);
  });

  it('keep the gateway from taking messages and from changing queues', async () => {
    expect(await attempt('parley-gateway', (channel) => channel.get('embedding.messages'))).toContain('ACCESS_REFUSED');
    expect(await attempt('parley-gateway', (channel) => channel.deleteQueue('embedding.messages'))).toContain('ACCESS_REFUSED');
    expect(await attempt('parley-gateway', (channel) => channel.assertQueue('embedding.stolen'))).toContain('ACCESS_REFUSED');
  });
});
