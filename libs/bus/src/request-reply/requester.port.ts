/**
 * Sends a request to another process over the broker and waits for its reply. At most once: a late reply is lost, and so is a request that
 * no process takes in time. Only for work that the durable way does anyway.
 */
export abstract class RequesterPort {
  /**
   * The reply to `question` (JSON) from the process that consumes `queue`, within the requester's limit or the caller's deadline.
   * @throws DependencyError when no process answers, the broker is away, or too many requests are open.
   */
  abstract ask(queue: string, question: unknown): Promise<unknown>;
}

/** Answers a question that was checked against its schema. An error is not sent back: the client waits until its own time limit. */
export type Answer = (question: unknown) => Promise<unknown>;
