import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { RequesterPort } from '#lib/bus/request-reply/requester.port';
import type { MessageCreated } from '#lib/contracts/events';
import { EMBED_NOW_QUEUE, EMBED_NOW_TIMEOUT_MS } from '#lib/contracts/pipeline';
import { remainingMs, withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { Pressure } from '#lib/resilience/load/pressure';
import { metrics } from '#lib/runtime/metrics/metrics';

const Indexed = z.object({ indexed: z.literal(true) });

/** Left of the request's deadline for the answer itself: a message that is stored must not be answered with 503. */
const TIME_TO_ANSWER_MS = 500;

/** Has a message indexed before its sender is answered (R012). A favour, not a promise: the pipeline does it anyway. */
@Injectable()
export class EmbedNow {
  constructor(
    private readonly requester: RequesterPort,
    private readonly pressure: Pressure,
  ) {}

  /**
   * Whether the message has its vectors now; false when that did not fit into 2 s, and at once under backlog: favours are the first thing to go
   * (R016). Never throws for what others cannot do.
   */
  async execute(event: MessageCreated): Promise<boolean> {
    if (!this.pressure.allows('extra')) {
      metrics.loadShed.inc({ reason: 'extra' });
      return false;
    }
    const budgetMs = Math.min(EMBED_NOW_TIMEOUT_MS, remainingMs() - TIME_TO_ANSWER_MS);
    if (budgetMs <= 0) return false;
    try {
      const answer = await withDeadline(budgetMs, () => this.requester.ask(EMBED_NOW_QUEUE, event));
      return Indexed.safeParse(answer).success;
    } catch (error) {
      if (!(error instanceof DependencyError) && !(error instanceof DeadlineExceeded)) throw error;
      metrics.fallback.inc({ dependency: 'embedder', operation: 'now' });
      return false;
    }
  }
}
