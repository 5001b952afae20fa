import { hostname } from 'node:os';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { withDeadline } from '#lib/resilience/deadline';
import type { Logger } from '#lib/runtime/logger';
import type { Answer } from '../requester.port.js';
import { errorMessage } from '../wire-message.js';
import { connectionName, RabbitConnection } from './rabbit-connection.js';

/** Who answers which queue. */
export interface RabbitResponderOptions {
  readonly url: string;
  readonly app: string;
  readonly heartbeatS: number;
  readonly logger: Logger;
  readonly queue: string;
  readonly answer: Answer;
  /** Questions answered at once. */
  readonly concurrency: number;
  /** Nobody waits longer for an answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** Questions that may wait in the queue; the broker drops the oldest, whose asker is the first to give up anyway. */
const MAX_WAITING = 100;

/**
 * Answers questions on a queue whose messages live for seconds. Each is taken once and acknowledged when it is answered or has failed: whoever asked has given up by then,
 * and the durable way does the work.
 */
export class RabbitResponder {
  private readonly connection: RabbitConnection;
  private readonly running = new Set<Promise<void>>();
  private isStopping = false;

  constructor(private readonly options: RabbitResponderOptions) {
    const { url, app, heartbeatS, logger } = options;
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'answer'),
      heartbeatS,
      logger,
      onOpen: (model) => this.openChannel(model),
    });
  }

  async start(): Promise<void> {
    await this.connection.start();
  }

  /** Finishes the answers that are being made, which takes at most their limit. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.running);
    await this.connection.stop();
  }

  private async openChannel(model: ChannelModel): Promise<void> {
    const { queue, concurrency, timeoutMs, app } = this.options;
    const channel = await model.createChannel();
    channel.on('error', (error) => this.options.logger.warn({ queue, error: error.message }, 'answer channel failed'));
    channel.on('close', () => {
      // A channel that closes while its connection lives would leave a queue that nobody answers.
      if (this.connection.current === model) this.connection.destroy('answer channel closed');
    });
    // Durable, because RabbitMQ 4 gives up transient queues that several may consume; its messages are not.
    await channel.assertQueue(queue, { durable: true, messageTtl: timeoutMs, maxLength: MAX_WAITING });
    await channel.prefetch(concurrency);
    await channel.consume(queue, (message) => this.take(channel, message), { consumerTag: `${app}@${hostname()}#${process.pid} ${queue}` });
  }

  private take(channel: Channel, message: ConsumeMessage | null): void {
    if (message === null || this.isStopping) return;
    const work = this.answer(channel, message).finally(() => this.running.delete(work));
    this.running.add(work);
  }

  private async answer(channel: Channel, message: ConsumeMessage): Promise<void> {
    const { queue, answer, timeoutMs, logger } = this.options;
    const { replyTo, correlationId } = message.properties as { replyTo?: string; correlationId?: string };
    try {
      const reply = await withDeadline(timeoutMs, () => answer(JSON.parse(message.content.toString())));
      if (replyTo !== undefined) channel.publish('', replyTo, Buffer.from(JSON.stringify(reply)), { correlationId });
      channel.ack(message);
    } catch (error) {
      logger.warn({ queue, error: errorMessage(error) }, 'question not answered');
      try {
        channel.ack(message);
      } catch {
        // The channel is gone, and with it whoever asked through it.
      }
    }
  }
}
