import { EventServer, type EventServerOptions } from '../nest/event-server.js';
import type { InProcessBus } from './in-process-bus.js';
import { MemoryDeliverySources } from './memory-delivery-source.js';

/** How a process that consumes from a bus inside it is set up. */
export interface MemoryServerOptions extends EventServerOptions {
  readonly bus: InProcessBus;
}

/** The event server over a bus inside the process. */
export class MemoryServer extends EventServer {
  constructor({ bus, ...options }: MemoryServerOptions) {
    const timing = { ...options.timing, retryDelaysMs: options.timing?.retryDelaysMs ?? bus.retryDelaysMs };
    super({ ...options, timing }, { sources: new MemoryDeliverySources(bus), publisher: bus, pipeline: bus.pipeline });
  }
}
