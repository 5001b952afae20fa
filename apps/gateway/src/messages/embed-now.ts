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

/** Milliseconds of the request's deadline kept for the answer: a stored message must not be answered with 503. */
const TIME_TO_ANSWER_MS = 500;

/** Indexes a message before its sender is answered (R012). Best effort: the pipeline indexes it anyway. */
@Injectable()
export class EmbedNow {
  constructor(
    private readonly requester: RequesterPort,
    private readonly pressure: Pressure,
  ) {}

  /**
   * Whether the message has its vectors now; false when that took longer than 2 s, and at once under backlog: extras are shed first (R016).
   * Never throws when a dependency is out.
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
