import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { z } from 'zod';
import type { RequestRow } from '#lib/contracts/pipeline';
import { withDeadline } from '#lib/resilience/call/deadline';
import type { WorkContext } from '#lib/runtime/log/context';
import type { Logger } from '#lib/runtime/log/logger';
import { parseTraceparent } from '#lib/runtime/log/traceparent';
import { inSpan, isTracing } from '#lib/runtime/trace/span';
import type { Answer } from '../../request-reply/requester.port.js';
import { requestTopology } from '../../topology.js';
import { errorMessage, header } from '../../wire-message.js';
import { connectionName, consumerTag, RabbitConnection } from './rabbit-connection.js';
import { RabbitTopology, type TopologyDrift } from './rabbit-topology.js';

/** What a responder needs. */
export interface RabbitResponderOptions {
  readonly url: string;
  readonly app: string;
  readonly heartbeatS: number;
  readonly logger: Logger;
  readonly queue: string;
  /** The queue's row in `pipeline.ts`. */
  readonly row: RequestRow;
  /** The schema of a question; a message that breaks it is dropped unanswered. */
  readonly question: z.ZodType;
  readonly answer: Answer;
  /** Questions in progress at once. */
  readonly concurrency: number;
}

/** A requester's correlation id is a UUID. */
const MAX_CORRELATION_ID = 64;

/** RabbitMQ's name for the channel of a client. A reply to any other queue would let a client write into that queue. */
const CLIENT = /^amq\.rabbitmq\.reply-to\.[\w=+/.-]{1,230}$/;

/**
 * Answers the questions of one queue, whose messages live for seconds. Each is acknowledged once it is answered or has failed: its client
 * has given up by then, and the durable way does the work.
 */
export class RabbitResponder {
  private readonly connection: RabbitConnection;
  private readonly topology: RabbitTopology;
  private readonly running = new Set<Promise<void>>();
  private isStopping = false;

  constructor(private readonly options: RabbitResponderOptions) {
    const { url, app, heartbeatS, logger, queue, row } = options;
    this.topology = new RabbitTopology(requestTopology(queue, row), logger);
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'answer'),
      heartbeatS,
      logger,
      onOpen: async (model) => {
        await this.topology.declare(model);
        await this.openChannel(model);
      },
    });
  }

  /** Set when the broker's queue differs from what this version wants; such a process must not call itself ready. */
  get drift(): TopologyDrift | undefined {
    return this.topology.drift;
  }

  async start(): Promise<void> {
    await this.connection.start();
  }

  /** Finishes the answers in progress, which takes at most their time limit. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.running);
    this.topology.stop();
    await this.connection.stop();
  }

  private async openChannel(model: ChannelModel): Promise<void> {
    const { queue, concurrency, app } = this.options;
    const channel = await model.createChannel();
    channel.on('error', (error) => this.options.logger.warn({ queue, error: error.message }, 'answer channel failed'));
    channel.on('close', () => {
      // A channel that closes alone would not be opened again: end its connection too.
      if (this.connection.current === model) this.connection.destroy('answer channel closed');
    });
    await channel.prefetch(concurrency);
    await channel.consume(queue, (message) => this.take(channel, message), { consumerTag: consumerTag(app, queue) });
  }

  private take(channel: Channel, message: ConsumeMessage | null): void {
    // Its queue was deleted: a new connection declares it again.
    if (message === null) return this.connection.destroy('the broker cancelled the responder');
    if (this.isStopping) return;
    const work = this.answer(channel, message).finally(() => this.running.delete(work));
    this.running.add(work);
  }

  private async answer(channel: Channel, message: ConsumeMessage): Promise<void> {
    const { queue, answer, row, logger } = this.options;
    try {
      const { replyTo, correlationId } = this.clientOf(message);
      const question = this.questionIn(message.content);
      const reply = await withDeadline(row.timeoutMs, () => inSpan(`process ${queue}`, 'consumer', () => answer(question)), {
        context: this.contextOf(message),
      });
      channel.publish('', replyTo, Buffer.from(JSON.stringify(reply)), { correlationId });
      channel.ack(message);
    } catch (error) {
      logger.warn({ queue, error: errorMessage(error) }, 'question not answered');
      try {
        channel.ack(message);
      } catch {
        // The channel is gone; the broker redelivers or drops the question.
      }
    }
  }

  /** In the trace of the client, when it says so and spans are made. */
  private contextOf({ properties }: ConsumeMessage): WorkContext {
    const traceparent: unknown = isTracing() ? properties.headers?.[header.traceparent] : undefined;
    return typeof traceparent === 'string' && parseTraceparent(traceparent) !== undefined ? { traceparent } : {};
  }

  private clientOf({ properties }: ConsumeMessage): { replyTo: string; correlationId: string } {
    const { replyTo, correlationId } = properties as { replyTo?: unknown; correlationId?: unknown };
    if (typeof replyTo !== 'string' || !CLIENT.test(replyTo)) throw new Error('the reply queue is not a direct reply-to');
    if (typeof correlationId !== 'string' || correlationId.length > MAX_CORRELATION_ID)
      throw new Error('the question has no correlation id');
    return { replyTo, correlationId };
  }

  /** Checks the size first: parsing blocks the process that indexes. */
  private questionIn(content: Buffer): unknown {
    const { row, question } = this.options;
    if (content.byteLength > row.maxBytes) throw new Error(`question of ${content.byteLength} bytes is too large`);
    const parsed = question.safeParse(JSON.parse(content.toString()));
    // Paths only: the values are user content.
    if (!parsed.success)
      throw new Error(`no question: ${parsed.error.issues.map(({ path, code }) => `${path.join('.')} ${code}`).join(', ')}`);
    return parsed.data;
  }
}
