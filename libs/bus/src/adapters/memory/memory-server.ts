import { EventServer, type EventServerOptions } from '../nest/event-server.js';
import type { MemoryBus } from './memory-bus.js';
import { MemoryDeliverySources } from './memory-delivery-source.js';

/** How a process that consumes from the memory bus is set up. */
export interface MemoryServerOptions extends EventServerOptions {
  readonly bus: MemoryBus;
}

/** The event server over the memory bus. */
export class MemoryServer extends EventServer {
  constructor({ bus, ...options }: MemoryServerOptions) {
    const timing = { ...options.timing, retryDelaysMs: options.timing?.retryDelaysMs ?? bus.retryDelaysMs };
    super({ ...options, timing }, { sources: new MemoryDeliverySources(bus), publisher: bus, pipeline: bus.pipeline });
  }
}
