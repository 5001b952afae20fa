import { hostname } from 'node:os';
import { connect } from 'amqplib';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { CONTROL_EXCHANGE } from '#lib/contracts/control';
import { createLogger } from '#lib/runtime/log/logger';
import { freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { aBreaker, controlChannelContract } from '../../control/control-channel.contract.js';
import { RabbitControlChannel } from './rabbit-control-channel.js';

let vhost: Awaited<ReturnType<typeof freshVhost>>;
beforeAll(async () => {
  vhost = await freshVhost(inject('stack'));
});
afterAll(async () => vhost.drop());

type Respond = (question: string) => unknown;
const silent: Respond = () => new Promise(() => undefined);

const open: RabbitControlChannel[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.stop()));
});

/** A process of this app; all of them run in this one, so the app is what tells them apart. */
const join = async (app: string, answer: Respond = () => undefined, url = vhost.url): Promise<RabbitControlChannel> => {
  const siblings = async (question: string) => ({
    workers: [{ pid: process.pid, silent: false as const, answer: (await answer(question)) as never }],
    counts: null,
  });
  const channel = new RabbitControlChannel({ url, app, heartbeatS: 5, logger: createLogger('test', 'fatal'), answer, siblings });
  open.push(channel);
  await channel.start();
  return channel;
};

describe('RabbitControlChannel', () => {
  controlChannelContract(async () => {
    let how: Respond = () => undefined;
    const channel = await join('observer', (question) => how(question));
    return { channel, answer: (given) => (how = given), close: async () => undefined };
  });
});

describe('the control channel of several processes', () => {
  it('a question reaches every process of every app, and the answers name each', async () => {
    const asker = await join('gateway', () => [aBreaker('postgres', 'closed')]);
    await join('embedding', () => [aBreaker('chroma', 'open')]);
    await join('ops');

    const { processes, others } = await asker.ask('breakers');

    expect(others).toBe('asked');
    expect(processes).toEqual([
      { app: 'embedding', host: expect.any(String), pid: process.pid, silent: false, answer: [aBreaker('chroma', 'open')] },
      { app: 'gateway', host: expect.any(String), pid: process.pid, silent: false, answer: [aBreaker('postgres', 'closed')] },
      { app: 'ops', host: expect.any(String), pid: process.pid, silent: false, answer: null },
    ]);
  });

  it('the management UI shows whose each of its queues is', async () => {
    await join('scoring');
    const { origin, username, password } = new URL(inject('stack').rabbitmqManagementUrl);
    const path = `/api/consumers/${encodeURIComponent(new URL(vhost.url).pathname.slice(1))}`;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    await eventually(async () => {
      const consumers = (await (await fetch(`${origin}${path}`, { headers: { authorization } })).json()) as { consumer_tag: string }[];
      expect(consumers.map((each) => each.consumer_tag)).toContain(`scoring@${hostname()}#${process.pid} ${CONTROL_EXCHANGE}`);
    });
  });

  it('a process that does not answer in time is listed as silent', async () => {
    const asker = await join('gateway');
    await join('embedding', silent);
    // It announced itself when it came; one that is asked for the first time is known from then on.
    await eventually(async () => expect((await asker.ask('presence')).processes).toHaveLength(2));

    const startedAt = performance.now();
    const { processes } = await asker.ask('consumers');

    expect(processes).toMatchObject([
      { app: 'embedding', silent: true, reason: 'no-answer' },
      { app: 'gateway', silent: false },
    ]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('a question ends when all known processes have answered, and a process that leaves is forgotten', async () => {
    const asker = await join('gateway');
    const leaving = await join('embedding');
    await asker.ask('presence');
    expect((await asker.ask('presence')).processes).toHaveLength(2);

    await leaving.stop();

    await eventually(async () => expect((await asker.ask('presence')).processes).toHaveLength(1));
  });

  it('a question that RabbitMQ does not pass on is answered by this process, with the others unknown', async () => {
    const proxy = await FaultProxy.before(vhost.url);
    try {
      const asker = await join('gateway', () => [aBreaker('postgres', 'closed')], proxy.through(vhost.url));
      await join('embedding', () => [aBreaker('chroma', 'open')]);
      await eventually(async () => expect((await asker.ask('breakers')).processes).toHaveLength(2));

      await proxy.set({ kind: 'hang' });

      const during = await asker.ask('breakers');
      expect(during.others).toBe('unreachable');
      expect(during.processes).toMatchObject([
        { app: 'embedding', silent: true, reason: 'unreachable' },
        { app: 'gateway', silent: false },
      ]);

      await proxy.heal();
      await eventually(
        async () => expect(await asker.ask('breakers')).toMatchObject({ others: 'asked', processes: [{ silent: false }, {}] }),
        {
          timeoutMs: 30_000,
        },
      );
    } finally {
      await proxy.stop();
    }
  });

  it('the other processes are unknown when RabbitMQ was never there', async () => {
    const asker = await join('gateway', undefined, 'amqp://127.0.0.1:1');
    expect(await asker.ask('breakers')).toMatchObject({ others: 'unreachable', processes: [{ app: 'gateway', silent: false }] });
  });

  it('a control channel survives foreign messages, an answer that is too long, and an unknown question', async () => {
    const asker = await join('gateway');
    await join('embedding', (question) => (question === 'breakers' ? Array.from({ length: 5_000 }, () => aBreaker('chroma')) : undefined));
    await join('ops', () => {
      throw new Error('cannot say');
    });
    const model = await connect(vhost.url, { timeout: 5_000 });
    const channel = await model.createConfirmChannel();
    const unknown: unknown[] = [];
    await channel.consume('amq.rabbitmq.reply-to', (message) => unknown.push(JSON.parse(message?.content.toString() ?? '')), {
      noAck: true,
    });
    const from = { app: 'later', host: 'version', pid: 1 };
    for (const body of ['{', '[]', '{"kind":"restart"}', JSON.stringify({ kind: 'question', from, question: 'toString' })]) {
      channel.publish(CONTROL_EXCHANGE, '', Buffer.from(body), { replyTo: 'amq.rabbitmq.reply-to', correlationId: 'x' });
    }
    await channel.waitForConfirms();
    await eventually(() => expect(unknown).toHaveLength(3));
    expect(unknown).toMatchObject([{ failure: 'unknown-question' }, {}, {}]);
    await model.close();

    await eventually(async () => {
      const { processes } = await asker.ask('breakers');
      expect(processes.filter(({ app }) => app !== 'later')).toMatchObject([
        { app: 'embedding', silent: true, reason: 'failed' },
        { app: 'gateway', silent: false },
        { app: 'ops', silent: true, reason: 'failed' },
      ]);
    });
  });
});
