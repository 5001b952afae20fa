import { ClientFrame, closeCodes, ServerFrame, type ServerFrameType, SOCKET_PATH, SUBPROTOCOL } from '#lib/contracts/socket';
import type { DocumentPart } from './channels.js';
import { clientFrameTexts, closeTexts, serverFrameTexts } from './frame-texts.js';
import { type Json, type JsonSchemas, type Ref, refTo } from '../json-schemas.js';
import { pascal } from './names.js';

const CHANNEL = 'socket';

/** Types of both directions may have the same name: `receipt`. */
const fromClient = (type: string): string => `${pascal(type)}Frame`;
const fromServer = (type: string): string => `Server${pascal(type)}Frame`;

const inSocket = (names: readonly string[]): readonly Ref[] => names.map((name) => refTo('channels', CHANNEL, 'messages', name));

const CORRELATION: Readonly<Record<string, string>> = {
  send: '$message.payload#/ref',
  ack: '$message.payload#/ref',
  error: '$message.payload#/ref',
  resume: '$message.payload#/conversationId',
  resumed: '$message.payload#/conversationId',
};

/** Channel, operations and messages of the WebSocket, as the realtime service sees them. */
export const socketPart = (schemas: JsonSchemas): DocumentPart => {
  const messages: Record<string, Json> = {};
  const operations: Record<string, Json> = {};
  const answered = new Set<ServerFrameType>();

  for (const option of ClientFrame.options) {
    const type = option.shape.type.value;
    const { title, summary, answer, replies, example } = clientFrameTexts[type];
    const name = fromClient(type);
    messages[name] = {
      name: type,
      title,
      summary,
      contentType: 'application/json',
      payload: schemas.add(name, option),
      ...about(type),
      examples: [{ name, payload: example }],
    };
    if (type === 'pong') continue;
    for (const reply of replies) answered.add(reply);
    operations[`realtime.receive.${type}`] = {
      action: 'receive',
      channel: refTo('channels', CHANNEL),
      title,
      summary,
      description: `Answer: ${answer}.`,
      messages: inSocket([name]),
      ...(replies.length === 0 ? {} : { reply: { channel: refTo('channels', CHANNEL), messages: inSocket(replies.map(fromServer)) } }),
      tags: [{ name: 'realtime' }],
    };
  }
  for (const option of ServerFrame.options) {
    const type = option.shape.type.value;
    const { title, summary, example } = serverFrameTexts[type];
    const name = fromServer(type);
    messages[name] = {
      name: type,
      title,
      summary,
      contentType: 'application/json',
      payload: schemas.add(name, option),
      ...about(type),
      examples: [{ name, payload: example }],
    };
    // An answer stands in the operation that it answers; an error answers some frames without one, too.
    if (answered.has(type) && type !== 'error') continue;
    operations[`realtime.send.${type}`] = {
      action: 'send',
      channel: refTo('channels', CHANNEL),
      title,
      summary,
      messages: inSocket([name]),
      ...(type === 'ping' ? { reply: { channel: refTo('channels', CHANNEL), messages: inSocket([fromClient('pong')]) } } : {}),
      tags: [{ name: 'realtime' }],
    };
  }
  return { channels: { [CHANNEL]: socketChannel(Object.keys(messages)) }, operations, messages };
};

const about = (type: string): Json => {
  const location = CORRELATION[type];
  return location === undefined ? {} : { correlationId: { location, description: 'Of the frame and of what answers it' } };
};

const socketChannel = (names: readonly string[]): Json => ({
  address: SOCKET_PATH,
  title: 'Live conversations of a user',
  description: [
    'Text frames of JSON. One socket carries all conversations of its user, also new ones, without subscribing.',
    '1. The client connects and sends `hello` with a token within 5 s. 2. `welcome` comes, then for each resume point what the client misses, in order, and `resumed`.',
    '3. Each `ping` is answered with `pong`; a client that is behind one of its `heads` sends `resume`. 4. After a lost connection it sends again, with the same `clientMessageId`.',
    'A message with `seq` = last + 1 is applied, one with `seq` <= last is dropped, one beyond sends `resume` with the last. Types and fields that a client does not know, it ignores.',
  ].join('\n\n'),
  servers: [refTo('servers', 'realtime')],
  messages: Object.fromEntries(names.map((name) => [name, refTo('components', 'messages', name)])),
  bindings: {
    ws: {
      method: 'GET',
      headers: {
        type: 'object',
        properties: {
          'Sec-WebSocket-Protocol': { type: 'string', const: SUBPROTOCOL },
          Origin: { type: 'string', description: 'Of a browser: one of `CORS_ORIGINS`; programs send none' },
        },
        required: ['Sec-WebSocket-Protocol'],
      },
      bindingVersion: '0.1.0',
    },
  },
  // AsyncAPI has no place for close codes.
  'x-close-codes': Object.fromEntries(
    Object.entries(closeCodes).map(([name, code]) => {
      const { means, advice } = closeTexts[name as keyof typeof closeCodes];
      return [code, { name, means, advice }];
    }),
  ),
});
