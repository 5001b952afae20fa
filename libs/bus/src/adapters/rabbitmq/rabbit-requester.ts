import { randomUUID } from 'node:crypto';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { Breakers } from '#lib/resilience/call/breakers';
import { remainingMs } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { currentContext } from '#lib/runtime/log/context';
import type { Logger } from '#lib/runtime/log/logger';
import { isTracing } from '#lib/runtime/trace/span';
import { RequesterPort } from '../../request-reply/requester.port.js';
import { header } from '../../wire-message.js';
import { DIRECT_REPLY_TO } from './channel.js';
import { connectionName, RabbitConnection } from './rabbit-connection.js';

/** What a requester needs. */
export interface RabbitRequesterOptions {
  readonly url: string;
  readonly app: string;
  readonly heartbeatS: number;
  readonly breakers: Breakers;
  readonly logger: Logger;
  /** Longest wait for a reply in milliseconds; a nearer deadline of the caller wins. */
  readonly timeoutMs: number;
}

/** Open requests to one queue; one more is refused, and its caller goes on without the reply. */
const MAX_OPEN = 50;
/** Longest reply that is parsed, in bytes. */
const MAX_ANSWER_BYTES = 65_536;

interface OpenQuestion {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Requests over RabbitMQ with direct reply-to, on a connection of their own. */
export class RabbitRequester extends RequesterPort {
  private readonly connection: RabbitConnection;
  /** One breaker for each queue: a service that is away must not keep requests from the others. */
  private readonly calls = new Map<string, DependencyCall>();
  private readonly open = new Map<string, OpenQuestion>();
  private channel: Channel | undefined;

  constructor(private readonly options: RabbitRequesterOptions) {
    super();
    const { url, app, heartbeatS, logger } = options;
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'request'),
      heartbeatS,
      logger,
      onOpen: (model) => this.openChannel(model),
      onLost: () => this.lost(),
    });
  }

  async start(): Promise<void> {
    await this.connection.start();
  }

  async stop(): Promise<void> {
    await this.connection.stop();
  }

  async ask(queue: string, question: unknown): Promise<unknown> {
    return this.callTo(queue).run((signal) => this.askOnce(queue, question, signal));
  }

  private callTo(queue: string): DependencyCall {
    const known = this.calls.get(queue);
    if (known !== undefined) return known;
    const { breakers, timeoutMs } = this.options;
    const bulkhead = { concurrent: MAX_OPEN, queued: 0 };
    const call = new DependencyCall({ dependency: 'rabbitmq', operation: queue, timeoutMs, bulkhead }, breakers);
    this.calls.set(queue, call);
    return call;
  }

  private async askOnce(queue: string, question: unknown, signal: AbortSignal): Promise<unknown> {
    const { channel } = this;
    if (channel === undefined) throw new Error('not connected');
    const correlationId = randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.open.set(correlationId, { resolve, reject });
    try {
      const expiresInMs = Math.max(1, Math.floor(Math.min(this.options.timeoutMs, remainingMs())));
      channel.publish('', queue, Buffer.from(JSON.stringify(question)), {
        correlationId,
        replyTo: DIRECT_REPLY_TO,
        contentType: 'application/json',
        mandatory: true,
        // No process works on a request whose client has given up.
        expiration: expiresInMs,
        ...(isTracing() ? { headers: { [header.traceparent]: currentContext().traceparent } } : {}),
      });
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.open.delete(correlationId);
    }
  }

  private async openChannel(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel();
    channel.on('error', (error) => this.options.logger.warn({ error: error.message }, 'request channel failed'));
    channel.on('close', () => this.lost(channel));
    channel.on('return', ({ properties, fields }) =>
      this.fail(String(properties.correlationId), `no process answers ${fields.routingKey}`),
    );
    await channel.consume(DIRECT_REPLY_TO, (message) => this.onAnswer(message), { noAck: true });
    this.channel = channel;
  }

  private onAnswer(message: ConsumeMessage | null): void {
    if (message === null) return;
    const question = this.open.get(String(message.properties.correlationId));
    if (question === undefined) return; // too late
    try {
      if (message.content.byteLength > MAX_ANSWER_BYTES) throw new RangeError(`answer of ${message.content.byteLength} bytes`);
      question.resolve(JSON.parse(message.content.toString()));
    } catch (error) {
      question.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private fail(correlationId: string, reason: string): void {
    this.open.get(correlationId)?.reject(new Error(reason));
  }

  private lost(channel = this.channel): void {
    if (channel !== this.channel) return;
    this.channel = undefined;
    for (const question of this.open.values()) question.reject(new Error('connection lost'));
    // A channel that closes alone would not be opened again: end its connection too.
    if (this.connection.current !== undefined) this.connection.destroy('request channel closed');
  }
}
