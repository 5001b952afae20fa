import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { createLogger } from '#lib/runtime/logger';
import { freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { requesterContract } from '../requester.contract.js';
import type { Answer } from '../requester.port.js';
import { RabbitRequester } from './rabbit-requester.js';
import { RabbitResponder } from './rabbit-responder.js';

const logger = createLogger('test', 'fatal');
let vhost: Awaited<ReturnType<typeof freshVhost>>;
beforeAll(async () => {
  vhost = await freshVhost(inject('stack'));
});
afterAll(async () => vhost.drop());

const place = () => ({ url: vhost.url, app: 'test', heartbeatS: 5, logger });

const setUp = async () => {
  const requester = new RabbitRequester({ ...place(), breakers: createBreakers(), timeoutMs: 2_000 });
  await requester.start();
  const responders: RabbitResponder[] = [];
  return {
    requester,
    respond: async (queue: string, answer: Answer) => {
      const responder = new RabbitResponder({ ...place(), queue, answer, concurrency: 4, timeoutMs: 1_000 });
      responders.push(responder);
      await responder.start();
    },
    close: async () => {
      await Promise.all([...responders, requester].map((each) => each.stop()));
    },
  };
};

requesterContract(setUp);

describe('a requester of RabbitMQ', () => {
  it('gives up after its limit when the answer fails, and stays usable', async () => {
    const { requester, respond, close } = await setUp();
    await respond('moody', async (question) => {
      if ((question as { isBad: boolean }).isBad) throw new Error('no');
      return 'fine';
    });
    await expect(requester.ask('moody', { isBad: true })).rejects.toMatchObject({ kind: 'timeout' });
    expect(await requester.ask('moody', { isBad: false })).toBe('fine');
    await close();
  });

  it('refuses at once when the broker was never there', async () => {
    const requester = new RabbitRequester({ ...place(), url: 'amqp://127.0.0.1:1', breakers: createBreakers(), timeoutMs: 2_000 });
    await requester.start();
    await eventually(async () => expect(requester.ask('any', {})).rejects.toMatchObject({ kind: 'unavailable' }));
    await requester.stop();
  });
});
