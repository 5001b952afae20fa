import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { FramedSocket } from './framed-socket.js';

it('a socket says when a single long frame is with the kernel: a session may wait for nothing else', () => {
  let accept = () => {};
  const connection = new Writable({ write: (_chunk, _encoding, done) => (accept = done) });
  let told = 0;
  const ws = Object.assign(new EventEmitter(), { readyState: 1, OPEN: 1 });
  const socket = new FramedSocket(ws as unknown as WebSocket, connection as unknown as Socket, {
    known: () => undefined,
    sent: () => (told += 1),
  });
  socket.send({ type: 'message.created', bytes: Buffer.alloc(50_000) });
  socket.flush();
  expect([socket.unsentBytes > 32_768, told]).toEqual([true, 0]);
  accept();
  expect([socket.unsentBytes, socket.unsentFrames]).toEqual([0, 0]);
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => expect(told).toBe(1));
});
