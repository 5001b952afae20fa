import type { Duplex } from 'node:stream';
import type { ConfirmChannel } from 'amqplib';
import type { WireMessage } from '../../wire-message.js';

/** Where a message goes. Mandatory: it comes back when no queue takes it. */
export interface Destination {
  readonly exchange: string;
  readonly routingKey: string;
  readonly isMandatory: boolean;
}

/** What `ConfirmChannel.publish` does with what it made of its options. amqplib does not document these two; its types leave them out. */
interface FrameChannel {
  sendMessage(fields: object, properties: object, content: Buffer): boolean;
  pushConfirmCallback(confirmed: (error: Error | null) => void): void;
  readonly connection: { readonly stream: Duplex };
}

/**
 * Publishes like `channel.publish`, without its copies of the options: it makes each header table the prototype of another, which costs V8 a
 * hidden class per message. What is published in one turn of the event loop leaves in one write.
 * @throws IllegalOperationError when the channel is closed: nothing was sent.
 */
export const publishFrames = (
  channel: ConfirmChannel,
  { exchange, routingKey, isMandatory }: Destination,
  { id, type, publishedAt, headers, body }: WireMessage,
  confirmed: (error: Error | null) => void,
): void => {
  const frames = channel as unknown as FrameChannel;
  writeTogether(frames.connection.stream);
  const fields = {
    exchange,
    routingKey,
    mandatory: isMandatory,
    immediate: false,
    ticket: undefined,
    contentType: 'application/json',
    contentEncoding: undefined,
    headers,
    deliveryMode: PERSISTENT,
    priority: undefined,
    correlationId: undefined,
    replyTo: undefined,
    expiration: undefined,
    messageId: id,
    // AMQP counts seconds.
    timestamp: publishedAt === undefined ? undefined : Math.floor(publishedAt.getTime() / 1_000),
    type,
    userId: undefined,
    appId: undefined,
    clusterId: undefined,
  };
  frames.sendMessage(fields, fields, body);
  frames.pushConfirmCallback(confirmed);
};

const PERSISTENT = 2;

const corked = new WeakSet<Duplex>();

/** amqplib writes each message to the socket by itself, in the turn of the event loop after this one: the socket is opened after that. */
const writeTogether = (socket: Duplex): void => {
  if (corked.has(socket)) return;
  corked.add(socket);
  socket.cork();
  const uncork = () => {
    corked.delete(socket);
    socket.uncork();
  };
  setImmediate(() => setImmediate(uncork));
};
