import { PublisherPort, type PublishOutcome } from '../../publish/publisher.port.js';
import type { PipelineRows } from '../../topology.js';
import type { WireMessage } from '../../wire-message.js';
import type { MemoryQueue } from './memory-queue.js';

/** A bus inside one process: what its consumers need of it. */
export abstract class InProcessBus extends PublisherPort {
  /** The rows of this bus. */
  abstract readonly pipeline: PipelineRows;
  abstract readonly retryDelaysMs: readonly number[] | undefined;
  /** Puts a message into a queue by name: a work queue, a retry queue, or a dead-letter queue. Never rejects. */
  abstract copyTo(name: string, message: WireMessage): Promise<PublishOutcome>;
  /** A work queue by name. @throws RangeError for one that the pipeline does not have. */
  abstract queue(name: string): MemoryQueue;
}
