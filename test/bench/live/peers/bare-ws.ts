import { WebSocketServer, type WebSocket } from 'ws';
import { messageEndpoint } from './message-endpoint.js';
import { peerFrame, PeerNumbers } from './peer-messages.js';

// The floor: bare `ws` that sends the same bytes to the same number of sockets. One process; no authentication, nothing stored, no order, no limit.
const numbers = new PeerNumbers();
const sockets = new Map<string, Set<WebSocket>>();

const http = messageEndpoint(
  ({ conversationId }) => Promise.resolve(numbers.next(conversationId)),
  (message, seq) => {
    const frame = Buffer.from(JSON.stringify(peerFrame(message, seq)));
    for (const socket of sockets.get(message.conversationId) ?? []) socket.send(frame, { binary: false });
  },
);
new WebSocketServer({ server: http, perMessageDeflate: false }).on('connection', (socket, { url = '' }) => {
  const conversationId = new URL(url, 'ws://floor').searchParams.get('conversation') ?? '';
  const all = sockets.get(conversationId) ?? new Set();
  sockets.set(conversationId, all.add(socket));
  socket.on('error', () => undefined);
  socket.on('close', () => all.delete(socket));
});
http.listen({ port: Number(process.env['PORT']), host: '127.0.0.1', backlog: 4_096 });
