import { DependencyError } from '#lib/resilience/call/errors';
import { type Answer, RequesterPort } from '../../request-reply/requester.port.js';

/** Requests inside the process, for the embedded mode and unit tests. */
export class MemoryRequester extends RequesterPort {
  private readonly answers = new Map<string, Answer>();

  /** Lets `answer` answer the requests of `queue`. */
  respond(queue: string, answer: Answer): void {
    this.answers.set(queue, answer);
  }

  async ask(queue: string, question: unknown): Promise<unknown> {
    const answer = this.answers.get(queue);
    if (answer === undefined)
      throw new DependencyError('rabbitmq', 'request', 'unavailable', { cause: new Error(`no process answers ${queue}`) });
    return answer(question);
  }
}
