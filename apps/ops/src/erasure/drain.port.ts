/** Events that are on their way. */
export abstract class DrainPort {
  /** The outbox and the queues that may still hold events from before `time`; unknown is "may". Never rejects for a broker that is away. */
  abstract holding(time: Date): Promise<string[]>;
}
