/**
 * Asks another process something and waits for its answer, over the broker. At most once: an answer that does not come in time is lost, and so is
 * a question that nobody takes in time. Only for what may be left undone, because the durable way does it anyway.
 */
export abstract class RequesterPort {
  /**
   * The answer to `question` (JSON) by whoever answers `queue`, within the requester's limit or the caller's deadline.
   * @throws DependencyError when nobody answers, the broker is away, or too many questions are open.
   */
  abstract ask(queue: string, question: unknown): Promise<unknown>;
}

/** What answers a question that was checked against its schema. What it throws is not told to the one who asked, who then waits in vain. */
export type Answer = (question: unknown) => Promise<unknown>;
