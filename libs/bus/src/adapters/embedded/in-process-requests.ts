import type { z } from 'zod';
import type { RequestRow } from '#lib/contracts/pipeline';
import type { Breakers } from '#lib/resilience/call/breakers';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { type Answer, RequesterPort } from '../../request-reply/requester.port.js';

/** How the questions of one queue are answered. */
export interface Responder {
  /** The queue's row in `pipeline.ts`: its limits. */
  readonly row: RequestRow;
  readonly question: z.ZodType;
  readonly answer: Answer;
  /** Questions in progress at once. */
  readonly concurrency: number;
}

/** Open requests to one queue; one more is refused, and its caller goes on without the reply. */
const MAX_OPEN = 50;

/** Requests from one app to another in the same process, with the limits that they have over RabbitMQ. */
export class InProcessRequests extends RequesterPort {
  private readonly responders = new Map<
    string,
    { readonly responder: Responder; readonly places: Semaphore; readonly call: DependencyCall }
  >();

  constructor(private readonly breakers: Breakers) {
    super();
  }

  /** Lets `responder` answer the questions of `queue`. */
  respond(queue: string, responder: Responder): void {
    const { row, concurrency } = responder;
    const bulkhead = { concurrent: MAX_OPEN, queued: 0 };
    this.responders.set(queue, {
      responder,
      places: new Semaphore(undefined, { concurrent: concurrency, queued: row.maxWaiting }),
      call: new DependencyCall({ dependency: 'rabbitmq', operation: queue, timeoutMs: row.timeoutMs, bulkhead }, this.breakers),
    });
  }

  async ask(queue: string, question: unknown): Promise<unknown> {
    const known = this.responders.get(queue);
    if (known === undefined) return this.unanswered(queue);
    const { responder, places, call } = known;
    return call.run((signal) =>
      places.run(
        async () => {
          // As over a wire: neither side holds what the other one may change.
          const asked = responder.question.parse(JSON.parse(JSON.stringify(question)));
          const answer = await withDeadline(responder.row.timeoutMs, () => responder.answer(asked));
          return JSON.parse(JSON.stringify(answer)) as unknown;
        },
        { signal },
      ),
    );
  }

  private async unanswered(queue: string): Promise<never> {
    const call = new DependencyCall({ dependency: 'rabbitmq', operation: queue, timeoutMs: 1_000 }, this.breakers);
    return call.run(async () => {
      throw new Error(`no app of this process answers ${queue}`);
    });
  }
}
