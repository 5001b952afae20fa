import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { PeerMessage } from './peer-messages.js';

/** The least HTTP server that takes messages: `POST /messages` is answered 202 with the number that `take` gives it, then `send` goes on with it. */
export const messageEndpoint = (
  take: (message: PeerMessage) => Promise<number>,
  send: (message: PeerMessage, seq: number) => void,
): Server => {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST') {
      response.end('{"status":"ok"}');
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const message = JSON.parse(Buffer.concat(chunks).toString()) as PeerMessage;
    const seq = await take(message);
    response.writeHead(202).end(JSON.stringify({ seq }));
    send(message, seq);
  };
  return createServer((request, response) => void answer(request, response).catch(() => response.writeHead(500).end()));
};
