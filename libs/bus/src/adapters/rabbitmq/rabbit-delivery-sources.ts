import type { ChannelModel } from 'amqplib';
import type { Logger } from '#lib/runtime/log/logger';
import { type DeliverySourcePort, DeliverySourcesPort } from '../../consume/source/delivery-source.port.js';
import { type PipelineRows, topologyOf } from '../../topology.js';
import { connectionName, consumerTag, RabbitConnection } from './rabbit-connection.js';
import { RabbitDeliverySource } from './rabbit-delivery-source.js';
import type { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitTopology, type TopologyDrift } from './rabbit-topology.js';

/** What consuming over RabbitMQ needs. */
export interface RabbitDeliverySourcesSettings {
  readonly app: string;
  readonly url: string;
  readonly heartbeatS: number;
  /** Publishes the copies for retry and dead letter. */
  readonly publisher: Pick<RabbitPublisher, 'copyTo'>;
  readonly logger: Logger;
  /** Rows of this app: a user of RabbitMQ may declare no other queues. */
  readonly rows: PipelineRows;
  readonly retryDelaysMs: readonly number[] | undefined;
}

/** One connection with a channel per queue. Declares the queues of its rows on each new connection. */
export class RabbitDeliverySources extends DeliverySourcesPort {
  private readonly connection: RabbitConnection;
  private readonly topology: RabbitTopology;
  private readonly opened: RabbitDeliverySource[] = [];

  constructor(private readonly settings: RabbitDeliverySourcesSettings) {
    super();
    const { app, url, heartbeatS, logger, rows, retryDelaysMs } = settings;
    this.topology = new RabbitTopology(topologyOf(rows, retryDelaysMs), logger);
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'consume'),
      heartbeatS,
      logger,
      onOpen: async (model) => {
        await this.topology.declare(model);
        for (const source of this.opened) source.attach(model);
      },
      onLost: () => {
        for (const source of this.opened) source.detach();
      },
    });
  }

  /** How the broker's queues differ from what this version wants; undefined when they do not. */
  get drift(): TopologyDrift | undefined {
    return this.topology.drift;
  }

  override get client(): ChannelModel | undefined {
    return this.connection.current;
  }

  sourceOf(queue: string, prefetch: number): DeliverySourcePort {
    const { app, publisher, logger } = this.settings;
    const source = new RabbitDeliverySource({
      queue,
      prefetch,
      consumerTag: consumerTag(app, queue),
      publisher,
      logger,
      onMissing: () => this.topology.declareSoon(),
    });
    this.opened.push(source);
    return source;
  }

  async start(): Promise<void> {
    await this.connection.start();
  }

  async stop(): Promise<void> {
    this.topology.stop();
    await Promise.all(this.opened.map((source) => source.close()));
    await this.connection.stop();
  }
}
