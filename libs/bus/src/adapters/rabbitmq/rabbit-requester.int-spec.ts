import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { createLogger } from '#lib/runtime/log/logger';
import { freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { aRequestRow } from '../../builders.contract.js';
import { requesterContract } from '../../request-reply/requester.contract.js';
import type { Answer } from '../../request-reply/requester.port.js';
import { RabbitRequester } from './rabbit-requester.js';
import { RabbitResponder } from './rabbit-responder.js';

const logger = createLogger('test', 'fatal');
let vhost: Awaited<ReturnType<typeof freshVhost>>;
beforeAll(async () => {
  vhost = await freshVhost(inject('stack'));
});
afterAll(async () => vhost.drop());

const ROW = aRequestRow();

const place = () => ({ url: vhost.url, app: 'test', heartbeatS: 5, logger });

const setUp = async () => {
  const requester = new RabbitRequester({ ...place(), breakers: createBreakers(), timeoutMs: 2_000 });
  await requester.start();
  const responders: RabbitResponder[] = [];
  return {
    requester,
    respond: async (queue: string, answer: Answer) => {
      const responder = new RabbitResponder({ ...place(), queue, row: ROW, question: z.looseObject({}), answer, concurrency: 4 });
      responders.push(responder);
      await responder.start();
      return responder;
    },
    close: async () => {
      await Promise.all([...responders, requester].map((each) => each.stop()));
    },
  };
};

requesterContract(async () => {
  const { respond, ...setup } = await setUp();
  return { ...setup, respond: async (queue, answer) => void (await respond(queue, answer)) };
});

describe('a requester of RabbitMQ', () => {
  it('a request whose answer fails ends at its time limit, and the requester stays usable', async () => {
    const { requester, respond, close } = await setUp();
    await respond('moody', async (question) => {
      if ((question as { isBad: boolean }).isBad) throw new Error('no');
      return 'fine';
    });
    await expect(requester.ask('moody', { isBad: true })).rejects.toMatchObject({ kind: 'timeout' });
    expect(await requester.ask('moody', { isBad: false })).toBe('fine');
    await close();
  });

  it('a queue that no process answers keeps no request from another queue', async () => {
    const { requester, respond, close } = await setUp();
    await respond('answered', async () => ({ is: 'there' }));
    for (let i = 0; i < 20; i += 1) await requester.ask('not-answered', {}).catch(() => undefined);
    await expect(requester.ask('not-answered', {})).rejects.toMatchObject({ kind: 'open' });
    expect(await requester.ask('answered', {})).toEqual({ is: 'there' });
    await close();
  });

  it('a request is refused at once when the broker was never there', async () => {
    const requester = new RabbitRequester({ ...place(), url: 'amqp://127.0.0.1:1', breakers: createBreakers(), timeoutMs: 2_000 });
    await requester.start();
    await eventually(async () => expect(requester.ask('any', {})).rejects.toMatchObject({ kind: 'unavailable' }));
    await requester.stop();
  });
});

describe('a responder of RabbitMQ', () => {
  it('a responder answers only direct reply-to clients, and reads nothing that is too large or no question', async () => {
    const { requester, respond, close } = await setUp();
    const asked: unknown[] = [];
    await respond('guarded', async (question) => asked.push(question));
    const connection = await connect(vhost.url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('victim', { durable: true });
    const forge = (content: string, replyTo: string, correlationId = 'c') =>
      channel.publish('', 'guarded', Buffer.from(content), { replyTo, correlationId });
    await channel.consume('amq.rabbitmq.reply-to', () => asked.push('answered'), { noAck: true });
    forge('{}', 'victim');
    forge('{}', 'amq.rabbitmq.reply-to.a/../victim*');
    forge(`{"a":"${'a'.repeat(ROW.maxBytes)}"}`, 'amq.rabbitmq.reply-to');
    forge('[]', 'amq.rabbitmq.reply-to');
    forge('{"a":', 'amq.rabbitmq.reply-to');
    forge('{}', 'amq.rabbitmq.reply-to', 'c'.repeat(200));
    await channel.waitForConfirms();

    expect(await requester.ask('guarded', { last: true })).toBe(1);

    expect(asked).toEqual([{ last: true }]);
    expect((await channel.checkQueue('victim')).messageCount).toBe(0);
    expect((await channel.checkQueue('guarded')).messageCount).toBe(0);
    await connection.close();
    await close();
  });

  it('a responder whose queue was deleted declares it again, and answers', async () => {
    const { requester, respond, close } = await setUp();
    await respond('deleted', async () => 'fine');
    expect(await requester.ask('deleted', {})).toBe('fine');
    const connection = await connect(vhost.url);
    await (await connection.createChannel()).deleteQueue('deleted');
    await eventually(async () => expect(await requester.ask('deleted', {})).toBe('fine'), { timeoutMs: 30_000 });
    await connection.close();
    await close();
  });

  it('a responder whose queue differs says how, and answers all the same on one connection', async () => {
    const { requester, respond, close } = await setUp();
    const connection = await connect(vhost.url);
    const channel = await connection.createChannel();
    await channel.assertQueue('drifted', { durable: true, messageTtl: 7_000, maxLength: 100 });

    const responder = await respond('drifted', async () => 'fine');

    expect(responder.drift?.differences).toEqual(['queue drifted: x-message-ttl should be 1000, is 7000']);
    expect(await requester.ask('drifted', {})).toBe('fine');
    await connection.close();
    await close();
  });
});
