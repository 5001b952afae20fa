import type { ChannelModel, ConfirmChannel, Message } from 'amqplib';
import type { ParleyEvent } from '#lib/contracts/events';
import { EVENTS_EXCHANGE, pipeline } from '#lib/contracts/pipeline';
import { currentContext } from '#lib/runtime/log/context';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { startSpan } from '#lib/runtime/trace/span';
import { fullJitter } from '#lib/runtime/work/backoff';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { type PublishFailure, PublishFailures } from '../../publish/publish-failures.js';
import { type EventHeaders, PublisherPort, type PublishOutcome } from '../../publish/publisher.port.js';
import { isHeard, type PipelineRows, topologyOf } from '../../topology.js';
import { ownWireMessage, toWireMessage, type WireMessage } from '../../wire-message.js';
import { within } from '#lib/runtime/work/within';
import { type Destination, publishFrames } from './publish-frames.js';
import { connectionName, RabbitConnection } from './rabbit-connection.js';
import { RabbitTopology, type TopologyDrift } from './rabbit-topology.js';

/** How a publisher is set up. */
export interface RabbitPublisherOptions {
  readonly url: string;
  /** Name of the process in the management UI. */
  readonly app: string;
  /** Unconfirmed publishes at once (BUS_CONFIRM_WINDOW). */
  readonly window: number;
  /** Longest wait of a publish for its outcome, the wait for a place in the window included (BUS_PUBLISH_TIMEOUT_MS). */
  readonly confirmTimeoutMs: number;
  readonly heartbeatS: number;
  readonly logger: Logger;
  /** Who hears what; its queues are declared before the first publish, so that nothing is lost for want of a consumer. */
  readonly pipeline?: PipelineRows;
  readonly retryDelaysMs?: readonly number[];
}

/** What goes where. */
interface Parcel extends Destination {
  readonly message: WireMessage;
}

/** A publish whose outcome is not known. */
interface Pending {
  readonly routingKey: string;
  readonly messageId: string | undefined;
  readonly settle: (outcome: PublishOutcome) => void;
  /** Set when the broker returned it; the confirm that follows is then not a success. */
  returned: string | undefined;
}

const WAITING_PER_PLACE = 4;
const FLUSH_MS = 3_000;
/** Until the queues are there that others declare, at most 20 s. */
const LOOK_FOR_QUEUES_MS = 100;
const CHANNEL_BACKOFF = { baseMs: 50, capMs: 2_000 };
const NOT_FOUND = 404;
const ACCESS_REFUSED = 403;
const NO_ROUTE = 312;

/**
 * Publishes with confirms over a connection of its own: an alarm of the broker blocks connections that publish, and must not block acks.
 * It buffers nothing beyond its window: while the broker is away, blocked or slow the outcome says so at once, and the outbox keeps the event.
 * Each publish is settled exactly once, by whichever comes first: return and confirm, nack, timeout, or the end of the channel.
 */
export class RabbitPublisher extends PublisherPort {
  private readonly connection: RabbitConnection;
  private readonly topology: RabbitTopology;
  private readonly window: Semaphore;
  private readonly rows: PipelineRows;
  private readonly pending = new Set<Pending>();
  private readonly listeners = new Set<(isHealthy: boolean) => void>();
  private readonly declaredListeners = new Set<() => void>();
  private readonly failing: PublishFailures;
  private channel: ConfirmChannel | undefined;
  /** Reply code with which the broker closed the last channel; cleared by the next confirm. */
  private closedWith: number | undefined;
  /** Channels that the broker closed since it last confirmed something. */
  private channelFailures = 0;
  /** Runs from the first confirm that did not come in time until the broker says anything. */
  private silence: NodeJS.Timeout | undefined;
  private wasHealthy = false;
  private isStopping = false;

  constructor(private readonly options: RabbitPublisherOptions) {
    super();
    const { url, app, heartbeatS, logger, window } = options;
    this.rows = options.pipeline ?? pipeline;
    this.window = new Semaphore(undefined, { concurrent: window, queued: window * WAITING_PER_PLACE });
    this.failing = new PublishFailures(logger);
    this.topology = new RabbitTopology(topologyOf(this.rows, options.retryDelaysMs), logger, () => {
      for (const listener of this.declaredListeners) listener();
    });
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'publish'),
      heartbeatS,
      logger,
      onOpen: async (model) => {
        await this.topology.declare(model);
        if (this.topology.isStillComing) this.openWhenDeclared(model);
        else await this.openChannel(model);
      },
      onLost: () => this.healthMayHaveChanged(),
      onBlocked: () => this.healthMayHaveChanged(),
    });
  }

  /** Begins to connect and declares the topology. Resolves after the first try, also when RabbitMQ is away: it then keeps trying. */
  async start(): Promise<void> {
    await this.connection.start();
  }

  /** Takes no more, waits up to 3 s for what is unconfirmed, and closes. Settles within about 5 s whatever the broker does. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.healthMayHaveChanged();
    await within(FLUSH_MS, this.window.idle());
    this.topology.stop();
    this.endSilence();
    await this.connection.stop();
  }

  /** Of the confirm window: what was published and not confirmed. */
  override get bufferUsed(): number {
    const { inUse, size } = this.window.state;
    return Math.min(1, inUse / size);
  }

  get isHealthy(): boolean {
    return this.channel !== undefined && !this.connection.isBlocked && !this.isStopping && !this.window.isFull;
  }

  override onDeclared(listener: () => void): () => void {
    this.declaredListeners.add(listener);
    return () => this.declaredListeners.delete(listener);
  }

  /** Set when the broker's queues differ from what this version wants; such a process must not call itself ready. */
  get drift(): TopologyDrift | undefined {
    return this.topology.drift;
  }

  /** What the broker refuses to take at the moment, by routing key. Empty when publishing works, or nothing was published. */
  get failures(): readonly PublishFailure[] {
    return this.failing.current;
  }

  /** Calls `listener` when the broker comes or goes, or an alarm begins or ends. @returns a function that ends it. */
  onHealthChange(listener: (isHealthy: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async publish(event: ParleyEvent, headers?: EventHeaders): Promise<PublishOutcome> {
    return this.inSpan(event, headers ?? currentContext(), (given) => this.sendEvent(event, toWireMessage(event, given)));
  }

  override publishOwn(event: ParleyEvent, headers: EventHeaders): Promise<PublishOutcome> {
    return this.inSpan(event, headers, (given) => this.sendEvent(event, ownWireMessage(event, given)));
  }

  /** Puts a message into a queue by name, with the same outcomes as {@link publish}. Never rejects. */
  copyTo(queue: string, message: WireMessage): Promise<PublishOutcome> {
    // The default exchange routes by queue name.
    return this.send({ exchange: '', routingKey: queue, message, isMandatory: true });
  }

  /** The producer's span is below the request or the event that is behind it, whichever process publishes; the message carries the span. */
  private inSpan(
    event: ParleyEvent,
    headers: EventHeaders,
    send: (headers: EventHeaders) => Promise<PublishOutcome>,
  ): Promise<PublishOutcome> {
    const span = startSpan(`send ${EVENTS_EXCHANGE}`, 'producer', headers.traceparent);
    if (span === undefined) return send(headers);
    span
      .set('messaging.system', 'rabbitmq')
      .set('messaging.operation.type', 'send')
      .set('messaging.operation.name', 'send')
      .set('messaging.destination.name', EVENTS_EXCHANGE)
      .set('messaging.rabbitmq.destination.routing_key', event.type)
      .set('messaging.message.id', event.eventId)
      .set('app.conversation_id', event.conversationId ?? undefined);
    return send({ requestId: headers.requestId, traceparent: span.traceparent }).then(
      (outcome) => {
        if (outcome.kind !== 'confirmed') span.fail(outcome.kind);
        span.end();
        return outcome;
      },
      (error: unknown) => {
        span.fail(error).end();
        throw error;
      },
    );
  }

  private sendEvent({ type }: ParleyEvent, message: WireMessage): Promise<PublishOutcome> {
    // An event that no row hears has no queue to be lost from; demanding one would make a returned message of every such event.
    return this.send({ exchange: EVENTS_EXCHANGE, routingKey: type, message, isMandatory: isHeard(this.rows, type) });
  }

  private send(parcel: Parcel): Promise<PublishOutcome> {
    const startedAt = performance.now();
    return new Promise((resolve) => {
      let isSettled = false;
      const settle = (outcome: PublishOutcome) => {
        if (isSettled) return; // the timeout was first
        isSettled = true;
        const seconds = (performance.now() - startedAt) / 1_000;
        metrics.amqpPublishDuration.observe({ routing_key: parcel.routingKey, outcome: outcome.kind }, seconds);
        resolve(outcome);
      };
      const refusal = this.whyNot();
      if (refusal !== undefined) return settle({ kind: 'nacked', reason: refusal });
      const endsAt = startedAt + this.options.confirmTimeoutMs;
      if (this.window.tryAcquire()) return this.sendFromPlace(parcel, endsAt, settle);
      void this.window.acquire({ withinMs: endsAt - performance.now() }).then(
        () => this.sendFromPlace(parcel, endsAt, settle),
        () => settle({ kind: 'nacked', reason: 'the confirm window is full' }),
      );
    });
  }

  /** Settles by confirm, nack, return, timeout or the end of the channel. The place in the window is held until the broker has spoken. */
  private sendFromPlace(parcel: Parcel, endsAt: number, settle: (outcome: PublishOutcome) => void): void {
    const { channel } = this;
    const { routingKey, message } = parcel;
    if (channel === undefined) {
      this.window.release();
      return settle({ kind: 'nacked', reason: this.whyNot() ?? 'not connected' });
    }
    const timer = setTimeout(() => {
      const outcome = { kind: 'ambiguous', reason: `no confirm within ${this.options.confirmTimeoutMs} ms` } as const;
      this.failing.note(routingKey, outcome);
      settle(outcome);
      this.timedOut(channel);
    }, endsAt - performance.now());
    const pending: Pending = {
      routingKey,
      messageId: message.id,
      returned: undefined,
      settle: (outcome) => {
        clearTimeout(timer);
        if (!this.pending.delete(pending)) return;
        metrics.amqpUnconfirmed.dec();
        this.window.release();
        settle(outcome);
      },
    };
    this.pending.add(pending);
    metrics.amqpUnconfirmed.inc();
    try {
      publishFrames(channel, parcel, message, (error) => this.answered(channel, pending, error));
    } catch (error) {
      // amqplib throws synchronously on a channel that is closed: nothing was sent.
      pending.settle({ kind: 'nacked', reason: error instanceof Error ? error.message : String(error) });
    }
  }

  private answered(channel: ConfirmChannel, pending: Pending, error: Error | null): void {
    // amqplib calls back with an error without a code for a nack as well as for the end of the channel, and only the channel tells which.
    if (error !== null && this.channel !== channel) {
      const { closedWith } = this;
      const outcome = { kind: 'ambiguous', reason: closedWith === undefined ? error.message : `channel closed by ${closedWith}` } as const;
      // The end of a connection says nothing about what was published.
      if (closedWith !== undefined) this.failing.note(pending.routingKey, outcome, closedWith);
      return pending.settle(outcome);
    }
    this.endSilence();
    this.channelFailures = 0;
    this.closedWith = undefined;
    const outcome = outcomeOf(error, pending);
    this.failing.note(pending.routingKey, outcome, outcome.kind === 'returned' ? NO_ROUTE : null);
    if (outcome.kind === 'returned') this.topology.declareSoon();
    pending.settle(outcome);
  }

  /**
   * A late confirm alone is no reason to give up the connection: what is in the window would be published twice. When nothing at all comes
   * for as long again it is, and sooner than by heartbeats, of which three may pass. While it is blocked the broker owes us nothing.
   */
  private timedOut(channel: ConfirmChannel): void {
    if (this.channel !== channel || this.silence !== undefined) return;
    this.silence = setTimeout(() => {
      this.silence = undefined;
      if (this.channel !== channel || this.connection.isBlocked) return;
      this.connection.destroy(`no confirm came for ${2 * this.options.confirmTimeoutMs} ms`);
    }, this.options.confirmTimeoutMs);
  }

  private endSilence(): void {
    clearTimeout(this.silence);
    this.silence = undefined;
  }

  /** The broker found no queue. It says so before the confirm, which then is a plain success. */
  private wasReturned({ fields, properties }: Message): void {
    const reason = `${'replyText' in fields ? String(fields.replyText) : 'NO_ROUTE'} for ${fields.routingKey}`;
    for (const pending of this.pending) {
      if (pending.messageId !== properties.messageId || pending.returned !== undefined) continue;
      pending.returned = reason;
      return;
    }
  }

  private async openChannel(model: ChannelModel): Promise<void> {
    const { logger } = this.options;
    const channel = await model.createConfirmChannel();
    channel.on('error', (error: Error & { code?: number }) => {
      this.closedWith = error.code;
      // Once per trouble: until something is confirmed, each new channel ends in the same way.
      if (this.channelFailures === 0) logger.warn({ error: error.message }, 'the publishing channel failed');
    });
    channel.on('return', (message) => this.wasReturned(message));
    // Before amqplib's own listener, which fails what is unconfirmed: `answered` must see that the channel is gone.
    channel.prependListener('close', () => {
      if (this.channel !== channel) return;
      this.channel = undefined;
      this.healthMayHaveChanged();
      this.channelFailures += 1;
      this.reopenChannel(model, this.channelFailures);
    });
    this.channel = channel;
    this.closedWith = undefined;
    this.endSilence();
    this.healthMayHaveChanged();
  }

  /**
   * An event that one queue takes counts as confirmed, so what is published while another queue is missing would be lost for that one's consumer:
   * with a new virtual host and a full outbox, the outbox keeps it until the queues are there.
   */
  private openWhenDeclared(model: ChannelModel): void {
    setTimeout(() => {
      if (this.isStopping || this.connection.current !== model || this.channel !== undefined) return;
      if (this.topology.isStillComing) this.openWhenDeclared(model);
      else this.openChannel(model).catch(() => this.reopenChannel(model, 1));
    }, LOOK_FOR_QUEUES_MS).unref();
  }

  /**
   * A channel can fail alone; the connection underneath is kept. When the connection is what failed, its supervisor opens a new channel.
   * What the channel missed or was refused is declared first: a deleted exchange would close each new channel again.
   */
  private reopenChannel(model: ChannelModel, failures: number): void {
    setTimeout(
      () => {
        if (this.isStopping || this.connection.current !== model || this.channel !== undefined) return;
        const isMissing = this.closedWith === NOT_FOUND || this.closedWith === ACCESS_REFUSED;
        const declared = isMissing ? this.topology.declare(model) : Promise.resolve();
        declared.then(() => this.openChannel(model)).catch(() => this.reopenChannel(model, failures + 1));
      },
      fullJitter(failures, CHANNEL_BACKOFF),
    ).unref();
  }

  private whyNot(): string | undefined {
    if (this.isStopping) return 'stopping';
    if (this.channel === undefined) return 'not connected';
    if (this.connection.isBlocked) return 'the broker blocks publishers';
    return undefined;
  }

  private healthMayHaveChanged(): void {
    const isHealthy = this.whyNot() === undefined;
    if (isHealthy === this.wasHealthy) return;
    this.wasHealthy = isHealthy;
    for (const listener of this.listeners) this.tell(listener, isHealthy);
  }

  /** We are inside amqplib's read loop: what is thrown here would end the connection. */
  private tell(listener: (isHealthy: boolean) => void, isHealthy: boolean): void {
    try {
      listener(isHealthy);
    } catch (error) {
      this.options.logger.error({ err: error }, 'a listener to the health of the publisher failed');
    }
  }
}

const outcomeOf = (error: Error | null, { returned }: Pending): PublishOutcome => {
  if (error !== null) return { kind: 'nacked', reason: 'refused by the broker' };
  return returned === undefined ? { kind: 'confirmed' } : { kind: 'returned', reason: returned };
};
