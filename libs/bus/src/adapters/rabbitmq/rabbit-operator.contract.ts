import { connect, type GetMessage } from 'amqplib';
import { freshVhost } from '#lib/testing/databases';
import type { StackUrls } from '#lib/testing/vitest-stack';
import type { WireMessage } from '../../wire-message.js';

/** A virtual host of its own, and an operator in it, who sees what the bus under test does not tell. */
export interface RabbitOperator {
  readonly url: string;
  /** Messages that no consumer holds. */
  readyIn(queue: string): Promise<number>;
  /** Takes every message out. */
  takeAll(queue: string): Promise<WireMessage[]>;
  /** Removes the virtual host. */
  stop(): Promise<void>;
}

/** Begins a new virtual host. */
export const rabbitOperator = async (stack: StackUrls): Promise<RabbitOperator> => {
  const vhost = await freshVhost(stack);
  const operator = await connect(vhost.url, { noDelay: true });
  operator.on('error', () => undefined);
  const channel = await operator.createChannel();
  return {
    url: vhost.url,
    readyIn: async (queue) => (await channel.checkQueue(queue)).messageCount,
    takeAll: async (queue) => {
      const taken: WireMessage[] = [];
      for (let next = await channel.get(queue, { noAck: true }); next !== false; next = await channel.get(queue, { noAck: true })) {
        taken.push(asWireMessage(next));
      }
      return taken;
    },
    stop: async () => {
      await operator.close();
      await vhost.drop();
    },
  };
};

const asWireMessage = ({ properties, fields, content }: GetMessage): WireMessage => ({
  id: properties.messageId as string | undefined,
  type: (properties.type as string | undefined) ?? fields.routingKey,
  publishedAt: undefined,
  headers: properties.headers ?? {},
  body: content,
});
