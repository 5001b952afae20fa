import type { Channel, ChannelModel } from 'amqplib';

/** Reply codes of AMQP with which the broker refuses an operation and closes its channel. */
export const replyCode = { accessRefused: 403, notFound: 404, resourceLocked: 405, preconditionFailed: 406 } as const;

/** The reply code of an error of amqplib; undefined for any other error. */
export const replyCodeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** RabbitMQ's pseudo-queue for replies (direct reply-to): a reply goes straight to the channel that consumes it. */
export const DIRECT_REPLY_TO = 'amq.rabbitmq.reply-to';

/** Opens a channel whose errors only reject the call that caused them; without a listener they would end the connection. */
export const openQuietChannel = async (model: ChannelModel): Promise<Channel> => {
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  return channel;
};
