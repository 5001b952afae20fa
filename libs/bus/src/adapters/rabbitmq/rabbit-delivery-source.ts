import type { Channel, ChannelModel, ConsumeMessage, Message } from 'amqplib';
import type { Logger } from '#lib/runtime/log/logger';
import { fullJitter } from '#lib/runtime/work/backoff';
import { ContiguousAcks } from './contiguous-acks.js';
import type { Delivery } from '../../consume/source/delivery.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { DeliverySourcePort, type DeliveryListener } from '../../consume/source/delivery-source.port.js';
import { countHeader, header, type WireMessage } from '../../wire-message.js';
import { within } from '#lib/runtime/work/within';
import { replyCode, replyCodeOf } from './channel.js';
import type { RabbitPublisher } from './rabbit-publisher.js';
import { wireMessageOf } from './wire-message-of.js';

/** What a delivery source needs. */
export interface RabbitDeliverySourceSettings {
  readonly queue: string;
  /** Unsettled deliveries at once. */
  readonly prefetch: number;
  /** Shown beside the queue in the management UI. */
  readonly consumerTag: string;
  readonly publisher: Pick<RabbitPublisher, 'copyTo'>;
  readonly logger: Logger;
  /** Called when the queue is missing. */
  readonly onMissing: () => void;
}

/** A channel with its unacknowledged deliveries. */
interface Session {
  readonly channel: Channel;
  readonly generation: number;
  readonly acks: ContiguousAcks;
  isConsuming: boolean;
  /** Calls of `basic.consume` on this channel. */
  consumeCount: number;
}

const ANSWER_TIMEOUT_MS = 2_000;
const BACKOFF = { baseMs: 50, capMs: 2_000 };

/**
 * Consumes one queue over a channel of its own, so that a failed channel ends no other consumer. Reconciles desired state (consuming, idle)
 * with actual state (connection, channel, consumer), one step at a time.
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

  /** Sets the new connection. A channel of the one before is over, also when its close event came too early to be heard. */
  attach(model: ChannelModel): void {
    if (this.session !== undefined) this.end(this.session);
    this.model = model;
    this.failures = 0;
    this.reconcileSoon(0);
  }

  /** Waits for the next connection; this one is gone. */
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
      // amqplib throws on a closing channel; its close event follows, and with it a new generation.
    }
  }

  copyTo(queue: string, message: WireMessage): Promise<PublishOutcome> {
    return this.settings.publisher.copyTo(queue, message);
  }

  /**
   * Closes the channel and waits for the broker's confirmation, which follows the last acknowledgements: closing the connection would overtake
   * them (amqplib writes the close past the channels' buffers).
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
    if (this.isConsumingWanted) await this.startConsuming(session);
    else await session.channel.cancel(this.tagOf(session));
    session.isConsuming = !session.isConsuming;
  }

  private async startConsuming(session: Session): Promise<void> {
    session.consumeCount += 1;
    const consumerTag = this.tagOf(session);
    await session.channel.consume(this.settings.queue, (message) => this.onMessage(session, message), { consumerTag });
  }

  /**
   * A new tag for each `basic.consume`. With a reused tag RabbitMQ 3.10 repeats the unacknowledged deliveries as lost ones and crashes the
   * connection (541, function_clause in rabbit_channel:handle_deliver0).
   */
  private tagOf({ consumeCount }: Session): string {
    return consumeCount === 1 ? this.settings.consumerTag : `${this.settings.consumerTag} ~${consumeCount}`;
  }

  private async newSession(model: ChannelModel): Promise<Session> {
    const { queue, prefetch, logger } = this.settings;
    const channel = await model.createChannel();
    this.generation += 1;
    const session: Session = { channel, generation: this.generation, acks: new ContiguousAcks(), isConsuming: false, consumeCount: 0 };
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

  /** Closes the channel when the broker cancels the consumer (queue deleted or moved), so that no delivery stays half settled. */
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
    // An open session reconciles by its close event; a new connection sets a new model.
    if (this.session === undefined && !this.isClosed) this.reconcileSoon(fullJitter(this.failures, BACKOFF));
  }
}

const deliveryOf = (queue: string, generation: number, delivered: ConsumeMessage): Delivery => {
  const { deliveryTag, redelivered } = delivered.fields;
  const message = wireMessageOf(delivered);
  const returnCount = countHeader(message, header.returns) + (redelivered ? brokerCount(message) : 0);
  return { ...message, queue, generation, tag: deliveryTag, isRedelivered: redelivered, returnCount };
};

/** RabbitMQ up to 4.2 counts every return in `x-delivery-count`; from 4.3 on, those after a crash may be in `x-acquired-count` only. */
const brokerCount = (message: WireMessage): number =>
  Math.max(countHeader(message, 'x-delivery-count'), countHeader(message, 'x-acquired-count'));

/** amqplib takes a message and reads only its tag. */
const messageWith = (deliveryTag: number): Message => ({ fields: { deliveryTag } }) as Message;

const quietly = async (work: () => Promise<unknown>): Promise<void> => {
  try {
    await work();
  } catch {
    // Closed already.
  }
};
