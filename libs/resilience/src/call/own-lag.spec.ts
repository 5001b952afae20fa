import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createBreakers } from '../adapters/opossum-breaker.js';
import { DependencyCall } from './dependency-call.js';
import { DependencyError } from './errors.js';

/** A server on a thread of its own, which answers while the loop of this process stands still: after as many milliseconds as it is told. */
const SERVER = `
  const { createServer } = require('node:net');
  const { parentPort } = require('node:worker_threads');
  const server = createServer((socket) => socket.on('error', () => undefined).on('data', (data) => setTimeout(() => socket.end('answer'), Number(data))));
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;

const TIMEOUT_MS = 1_500;
const STANDSTILL_MS = 2_000;

let worker: Worker;
let port: number;
beforeAll(async () => {
  worker = new Worker(SERVER, { eval: true });
  [port] = (await once(worker, 'message')) as [number];
});
afterAll(() => worker.terminate());

const connected = async (): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  return socket;
};

const ask = async (answersAfterMs: number, signal: AbortSignal, socket = connect({ port, host: '127.0.0.1', signal })): Promise<string> => {
  socket.on('error', () => undefined); // `once` below rejects with it
  socket.write(String(answersAfterMs));
  const [data] = (await once(socket, 'data', { signal })) as [Buffer];
  return data.toString();
};

/** As a synchronous parser of a large body would, inside of a timer: other timers that are due run before what has arrived is read. */
const standStill = () =>
  setTimeout(() => {
    for (const until = performance.now() + STANDSTILL_MS; performance.now() < until; );
  }, 200);

it('a loop that stands still does not count what was answered meanwhile as failed, and opens no breaker', async () => {
  const call = new DependencyCall({ dependency: 'chroma', operation: 'query', timeoutMs: TIMEOUT_MS }, createBreakers());
  // With a connection each, so that all questions are out before it stands still.
  const sockets = await Promise.all(Array.from({ length: 10 }, connected));
  const answers = sockets.map((socket) => call.run((signal) => ask(500, signal, socket)));
  standStill();
  expect(await Promise.allSettled(answers)).toEqual(answers.map(() => ({ status: 'fulfilled', value: 'answer' })));
  expect(call.state).toBe('closed');
});

it('a loop that stands still opens no breaker for what could not even be asked meanwhile', async () => {
  const call = new DependencyCall({ dependency: 'chroma', operation: 'query', timeoutMs: TIMEOUT_MS }, createBreakers());
  const answers = Array.from({ length: 10 }, () => call.run((signal) => ask(10, signal)));
  for (const until = performance.now() + STANDSTILL_MS; performance.now() < until; );
  await Promise.allSettled(answers);
  expect(call.state).toBe('closed');
});

it('a call without an answer ends as soon as the loop runs again', async () => {
  const call = new DependencyCall({ dependency: 'chroma', operation: 'query', timeoutMs: TIMEOUT_MS }, createBreakers());
  const startedAt = performance.now();
  const ending = call.run((signal) => ask(60_000, signal));
  standStill();
  await expect(ending).rejects.toEqual(new DependencyError('chroma', 'query', 'timeout'));
  expect(performance.now() - startedAt).toBeLessThan(STANDSTILL_MS + 2_500);
});
