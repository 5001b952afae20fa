import type { QueueStatus } from '#lib/contracts/http';

/** Tells operators what waits where. What is not known is `null`, never 0. */
export abstract class QueueStatusPort {
  /** One line for each work queue of the pipeline, in its order. Never rejects; settles within 2 s even when the broker hangs. */
  abstract read(): Promise<QueueStatus[]>;
}
