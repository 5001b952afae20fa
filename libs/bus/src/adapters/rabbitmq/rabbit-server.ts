import { pipeline } from '#lib/contracts/pipeline';
import type { PipelineRows } from '../../topology.js';
import { EventServer, type EventServerOptions } from '../nest/event-server.js';
import { rowsOf } from '../nest/nest-handlers.js';
import { RabbitDeliverySources } from './rabbit-delivery-sources.js';
import type { RabbitPublisher } from './rabbit-publisher.js';
import type { TopologyDrift } from './rabbit-topology.js';

/** How a process that consumes from RabbitMQ is set up. */
export interface RabbitServerOptions extends EventServerOptions {
  readonly url: string;
  readonly heartbeatS: number;
  /** Publishes what handlers return, and the copies for retry and dead letter. Start it before this server and stop it after. */
  readonly publisher: RabbitPublisher;
  readonly pipeline?: PipelineRows;
}

/** The event server over RabbitMQ: one connection, one channel per queue. */
export class RabbitServer extends EventServer {
  private readonly sources: RabbitDeliverySources;

  constructor(options: RabbitServerOptions) {
    const { app, publisher, pipeline: rows = pipeline } = options;
    const sources = new RabbitDeliverySources({ ...options, rows: rowsOf(app, rows), retryDelaysMs: options.timing?.retryDelaysMs });
    super(options, { sources, publisher, pipeline: rows });
    this.sources = sources;
  }

  /** Set when the broker's queues differ from what this version wants; such a process is not ready. */
  get drift(): TopologyDrift | undefined {
    return this.sources.drift;
  }

  get isConnected(): boolean {
    return this.sources.client !== undefined;
  }
}
