import type { Channel, ChannelModel, ConsumeMessage, Message } from 'amqplib';
import type { Logger } from '#lib/runtime/log/logger';
import { fullJitter } from '#lib/resilience/call/backoff';
import { ContiguousAcks } from './contiguous-acks.js';
import type { Delivery } from '../../consume/delivery.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { DeliverySourcePort, type DeliveryListener } from '../../consume/delivery-source.port.js';
import { countHeader, header, type WireMessage } from '../../wire-message.js';
import { within } from '#lib/resilience/call/within';
import { replyCode, replyCodeOf } from './channel.js';
import type { RabbitPublisher } from './rabbit-publisher.js';
import { wireMessageOf } from './wire-message-of.js';

/** What a tap needs. */
export interface RabbitDeliverySourceSettings {
  readonly queue: string;
  /** Messages delivered and not settled at once. */
  readonly prefetch: number;
  /** Shown beside the queue in the management UI. */
  readonly consumerTag: string;
  readonly publisher: Pick<RabbitPublisher, 'copyTo'>;
  readonly logger: Logger;
  /** Called when the queue turns out to be missing. */
  readonly onMissing: () => void;
}

/** A channel, and what it delivered that is not acknowledged. */
interface Session {
  readonly channel: Channel;
  readonly generation: number;
  readonly acks: ContiguousAcks;
  isConsuming: boolean;
  /** Times that it began to consume. */
  openings: number;
}

const ANSWER_TIMEOUT_MS = 2_000;
const BACKOFF = { baseMs: 50, capMs: 2_000 };

/**
 * Consumes one queue over one channel of its own, so that a channel that fails takes no other consumer with it. What is wanted (open or
 * shut) and what is there (connection, channel, consumer) may differ at any time; one step after another brings them together.
 */
export class RabbitDeliverySource extends DeliverySourcePort {
  private listener: DeliveryListener | undefined;
  private model: ChannelModel | undefined;
  private session: Session | undefined;
  private generation = 0;
  private isConsumingWanted = false;
  private isClosed = false;
  private failures = 0;
  private step: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly settings: RabbitDeliverySourceSettings) {
    super();
  }

  listen(listener: DeliveryListener): void {
    this.listener = listener;
  }

  /** Tells it the new connection. */
  attach(model: ChannelModel): void {
    this.model = model;
    this.failures = 0;
    this.reconcileSoon(0);
  }

  /** The connection is gone; there is nothing to try until the next one. */
  detach(): void {
    this.model = undefined;
  }

  consume(): void {
    this.isConsumingWanted = true;
    this.reconcileSoon(0);
  }

  async cancel(): Promise<void> {
    this.isConsumingWanted = false;
    await within(ANSWER_TIMEOUT_MS, this.reconcile());
  }

  ack(deliveries: readonly Delivery[]): void {
    const { session } = this;
    if (session === undefined) return;
    const tags = deliveries.filter(({ generation }) => generation === session.generation).map(({ tag }) => tag);
    try {
      for (const { tag, isMultiple } of session.acks.settle(tags)) session.channel.ack(messageWith(tag), isMultiple);
    } catch {
      // amqplib throws on a channel that is closing; its close event is on the way, and with it a new generation.
    }
  }

  copyTo(queue: string, message: WireMessage): Promise<PublishOutcome> {
    return this.settings.publisher.copyTo(queue, message);
  }

  /**
   * Closes the channel and waits for the broker's word, because that comes after our last acknowledgements: the end of a connection overtakes
   * what its channels still have to say (amqplib writes it past their buffers).
   */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    const { session } = this;
    if (session === undefined) return;
    this.end(session);
    await within(
      ANSWER_TIMEOUT_MS,
      quietly(() => session.channel.close()),
    );
  }

  private reconcileSoon(inMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.reconcile(), inMs);
  }

  /** Queues one step. Never rejects. */
  private reconcile(): Promise<void> {
    this.step = this.stepAfter(this.step);
    return this.step;
  }

  private async stepAfter(last: Promise<void>): Promise<void> {
    await last;
    try {
      await this.takeStep();
      this.failures = 0;
    } catch (error) {
      this.failed(error);
    }
  }

  private async takeStep(): Promise<void> {
    const { model } = this;
    if (model === undefined || this.isClosed) return;
    if (this.session === undefined && !this.isConsumingWanted) return;
    const session = this.session ?? (await this.newSession(model));
    if (session.isConsuming === this.isConsumingWanted) return;
    if (this.isConsumingWanted) await this.beginToConsume(session);
    else await session.channel.cancel(this.tagOf(session));
    session.isConsuming = !session.isConsuming;
  }

  private async beginToConsume(session: Session): Promise<void> {
    session.openings += 1;
    const consumerTag = this.tagOf(session);
    await session.channel.consume(this.settings.queue, (message) => this.onMessage(session, message), { consumerTag });
  }

  /**
   * A tag of its own for each opening. With the old one, RabbitMQ 3.10 takes what is still held for deliveries that got lost on their way,
   * tries to repeat them and crashes the connection over it (541, function_clause in rabbit_channel:handle_deliver0).
   */
  private tagOf({ openings }: Session): string {
    return openings === 1 ? this.settings.consumerTag : `${this.settings.consumerTag} ~${openings}`;
  }

  private async newSession(model: ChannelModel): Promise<Session> {
    const { queue, prefetch, logger } = this.settings;
    const channel = await model.createChannel();
    this.generation += 1;
    const session: Session = { channel, generation: this.generation, acks: new ContiguousAcks(), isConsuming: false, openings: 0 };
    channel.on('error', (error) => logger.warn({ queue, error: error.message }, 'a consuming channel failed'));
    channel.on('close', () => {
      this.end(session);
      if (!this.isClosed) this.reconcileSoon(fullJitter(this.failures + 1, BACKOFF));
    });
    this.session = session;
    await channel.prefetch(prefetch);
    return session;
  }

  private onMessage(session: Session, message: ConsumeMessage | null): void {
    if (message === null) return this.onCancelledByBroker(session);
    session.acks.received(message.fields.deliveryTag);
    this.listener?.onDelivery(deliveryOf(this.settings.queue, session.generation, message));
  }

  /** The broker ended our consumer: the queue was deleted or moved. The channel goes with it, so that nothing is left half settled. */
  private onCancelledByBroker(session: Session): void {
    this.settings.logger.warn({ queue: this.settings.queue }, 'the broker cancelled a consumer');
    this.settings.onMissing();
    void quietly(() => session.channel.close());
  }

  private end(session: Session): void {
    if (this.session !== session) return;
    this.session = undefined;
    this.listener?.onLost(session.generation);
  }

  private failed(error: unknown): void {
    this.failures += 1;
    if (replyCodeOf(error) === replyCode.notFound) this.settings.onMissing();
    // The channel's close event may have set an earlier timer already; the connection's end sets a new model.
    if (this.session === undefined && !this.isClosed) this.reconcileSoon(fullJitter(this.failures, BACKOFF));
  }
}

const deliveryOf = (queue: string, generation: number, delivered: ConsumeMessage): Delivery => {
  const { deliveryTag, redelivered } = delivered.fields;
  const message = wireMessageOf(delivered);
  const returnCount = countHeader(message, header.returns) + (redelivered ? brokersCount(message) : 0);
  return { ...message, queue, generation, tag: deliveryTag, isRedelivered: redelivered, returnCount };
};

/** RabbitMQ up to 4.2 counts every return here; from 4.3 on, one of a process that died may be in `x-acquired-count` only. */
const brokersCount = (message: WireMessage): number =>
  Math.max(countHeader(message, 'x-delivery-count'), countHeader(message, 'x-acquired-count'));

/** amqplib wants the message and reads its tag. */
const messageWith = (deliveryTag: number): Message => ({ fields: { deliveryTag } }) as Message;

const quietly = async (work: () => Promise<unknown>): Promise<void> => {
  try {
    await work();
  } catch {
    // It is closed already, which is what was wanted.
  }
};
