import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server, type Socket } from 'socket.io';
import { messageEndpoint } from './message-endpoint.js';
import { PeerDatabase, peerFrame } from './peer-messages.js';

// socket.io as its documentation shows it for several nodes: the Redis adapter, a room per conversation, WebSocket only.
const database = new PeerDatabase();
const publisher = new Redis(process.env['REDIS_URL'] ?? '');
const subscriber = publisher.duplicate();
for (const redis of [publisher, subscriber]) redis.on('error', () => undefined); // it reconnects by itself

const http = messageEndpoint(
  (message) => database.store(message),
  (message, seq) => void io.to(message.conversationId).emit('message', peerFrame(message, seq)),
);
const io = new Server(http, { transports: ['websocket'], adapter: createAdapter(publisher, subscriber) });
const joinRooms = async (socket: Socket): Promise<void> => {
  await socket.join(await database.conversationsOf(String(socket.handshake.query['user'])));
};
io.use((socket, next) => {
  const admit = async () => {
    await joinRooms(socket);
    next();
  };
  void admit();
});
http.listen({ port: Number(process.env['PORT']), host: '127.0.0.1', backlog: 4_096 });
