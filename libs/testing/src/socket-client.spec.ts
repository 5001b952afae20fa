import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { newId } from '#lib/contracts/ids';
import { SocketClient } from './socket-client.js';

const welcome = { type: 'welcome', sessionId: newId(), userId: 'alice', pingMs: 25_000, serverTime: new Date().toISOString() };

const servers: WebSocketServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  }
});

const serverThat = async (onFrame: (socket: WebSocket, frame: { type: string }) => void): Promise<string> => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/v1/ws' });
  servers.push(server);
  server.on('connection', (socket) => socket.on('message', (data: Buffer) => onFrame(socket, JSON.parse(data.toString('utf8')))));
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

it('a socket client says hello, logs each frame, answers pings and finds what it waits for', async () => {
  const heard: string[] = [];
  const url = await serverThat((socket, frame) => {
    heard.push(frame.type);
    if (frame.type !== 'hello') return;
    for (const sent of [
      welcome,
      { type: 'ping', serverTime: welcome.serverTime },
      { type: 'typing', conversationId: newId(), userId: 'bob' },
    ])
      socket.send(JSON.stringify(sent));
  });
  const client = await SocketClient.connect(url, 'token');
  expect(await client.frame('typing')).toMatchObject({ userId: 'bob' });
  expect(client.frames.map(({ type }) => type)).toEqual(['welcome', 'ping', 'typing']);
  expect((await client.close()).code).toBe(1005);
  expect(heard).toEqual(['hello', 'pong']);
});

it('a socket client that is refused says with which code', async () => {
  const url = await serverThat((socket) => socket.close(4401, 'expired'));
  await expect(SocketClient.connect(url, 'token')).rejects.toThrow('a frame welcome did not come: closed with 4401 expired');
});
