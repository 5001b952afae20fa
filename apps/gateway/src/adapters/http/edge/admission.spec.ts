import fastify, { type FastifyInstance, type InjectOptions } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { ProblemError } from '#lib/contracts/problems';
import { MemoryPressure } from '#lib/resilience/load/memory-pressure';
import { Pressure } from '#lib/resilience/load/pressure';
import { createLogger } from '#lib/runtime/log/logger';
import { admit } from './admission.js';

const logger = createLogger('test', 'silent');
let instance: FastifyInstance | undefined;
afterEach(async () => instance?.close());

/** A server with the routes in question, under this pressure. */
const under = async ({ queues = 0, memory = 0 }: { queues?: number; memory?: number }) => {
  const pressure = new Pressure([{ name: 'queues', read: () => queues }], logger);
  await pressure.sample();
  const heap = new MemoryPressure(() => ({ residentBytes: 0, limitBytes: undefined, heapBytes: memory, heapLimitBytes: 1 }), logger);
  heap.sample();
  const server = (instance = fastify());
  server.setErrorHandler((error, _, reply) =>
    error instanceof ProblemError
      ? reply.code(503).send({ code: error.code, retryAfterSeconds: error.retryAfterSeconds })
      : reply.code(500).send(),
  );
  admit(server, pressure, heap);
  const done = () => ({ done: true });
  server.post('/v1/conversations/:conversationId/messages', done);
  server.patch('/v1/messages/:messageId', done);
  server.post('/v1/documents', { bodyLimit: 10_485_760 }, done);
  server.post('/v1/conversations', done);
  server.get('/v1/search', done);
  return async (options: InjectOptions) => (await server.inject(options)).statusCode;
};

const send: InjectOptions = { method: 'POST', url: '/v1/conversations/1/messages', payload: {} };
const edit: InjectOptions = { method: 'PATCH', url: '/v1/messages/1', payload: {} };
const document: InjectOptions = { method: 'POST', url: '/v1/documents', payload: {} };
const read: InjectOptions = { method: 'GET', url: '/v1/search?q=x' };
const create: InjectOptions = { method: 'POST', url: '/v1/conversations', payload: {} };

describe('under pressure of queues, outbox or buffers', () => {
  it.each([
    [0.89, { send: 200, edit: 200, document: 200, read: 200, create: 200 }],
    [0.9, { send: 200, edit: 200, document: 503, read: 200, create: 200 }],
    [0.99, { send: 200, edit: 200, document: 503, read: 200, create: 200 }],
    [1, { send: 503, edit: 503, document: 503, read: 200, create: 200 }],
  ])('at %d', async (queues, expected) => {
    const call = await under({ queues });

    expect({
      send: await call(send),
      edit: await call(edit),
      document: await call(document),
      read: await call(read),
      create: await call(create),
    }).toEqual(expected);
  });

  it('says when to come back', async () => {
    await under({ queues: 1 });

    const answer = await instance?.inject(send);

    expect(answer?.json()).toEqual({ code: 'overloaded', retryAfterSeconds: 5 });
  });
});

describe('when memory is short', () => {
  const large = JSON.stringify({ content: 'x'.repeat(70_000) });
  const headers = { 'content-type': 'application/json' };

  it('large bodies are refused, and those of which nobody knows how large they are', async () => {
    const call = await under({ memory: 0.95 });

    expect(await call(send)).toBe(200);
    expect(await call({ ...document, payload: large, headers })).toBe(503);
    expect(await call({ ...document, payload: '{}', headers: { ...headers, 'transfer-encoding': 'chunked' } })).toBe(503);
    expect(await call(read)).toBe(200);
  });

  it('they are taken while there is enough', async () => {
    const call = await under({ memory: 0.85 });

    expect(await call({ ...document, payload: large, headers })).toBe(200);
  });
});
