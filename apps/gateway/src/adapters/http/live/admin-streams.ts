import { once } from 'node:events';
import { Injectable } from '@nestjs/common';
import type { Caller } from '#lib/auth/caller';
import type { AdminGoaway } from '#lib/contracts/admin-live';
import { ProblemError } from '#lib/contracts/problems';
import { FairShare, userKey } from '#lib/resilience/limit/fair-share';
import { metrics } from '#lib/runtime/metrics/metrics';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { withTimeLimit } from '#lib/runtime/work/within';
import { SampleSections } from '../../../live-admin/sample-sections.js';
import { AdminStream } from './admin-stream.js';

/** Streams of one process: each operator has a tab or two. */
export const MOST_STREAMS = 20;
/** Of them one user may have so many: the tabs of one operator must not lock out the others. */
export const MOST_STREAMS_PER_USER = 8;
/** Long enough for a shift, short enough that a forgotten tab finds the newest gateway. Milliseconds. */
const LONGEST_MS = 3_600_000;
/** How long a reader has to take the goaway before its stream is cut off. Milliseconds. */
const FAREWELL_MS = 500;
/** When to come back: at once to another process, with a little rest after an hour. Milliseconds. */
const RETRY_IN_MS = { draining: 1_000, 'token-expired': 0, 'too-old': 0 } as const satisfies Record<AdminGoaway['reason'], number>;

/** The open admin streams of this process. */
@Injectable()
export class AdminStreams {
  private readonly open = new Set<AdminStream>();
  private readonly places = new FairShare({ max: MOST_STREAMS, maxPerCaller: MOST_STREAMS_PER_USER });
  private isDraining = false;

  constructor(
    private readonly sections: SampleSections,
    lifecycle: Lifecycle,
  ) {
    lifecycle.add({ name: 'admin streams', phase: 'intake', stop: () => this.drain() });
  }

  /**
   * A stream that ends with the token of its reader, after an hour, and when this process stops.
   * @throws ProblemError `overloaded` when there are too many, `rate-limited` when this user has too many.
   */
  begin({ userId, expiresAt }: Caller): AdminStream {
    if (this.isDraining) throw new ProblemError('overloaded', 'This process stops.', { retryAfterSeconds: 1 });
    const key = userKey(userId);
    const refusal = this.places.take(key);
    if (refusal === 'all') throw new ProblemError('overloaded', `${MOST_STREAMS} streams are open already.`, { retryAfterSeconds: 10 });
    if (refusal === 'caller') {
      metrics.rateLimited.inc({ scope: 'admin_streams' });
      throw new ProblemError('rate-limited', `You have ${MOST_STREAMS_PER_USER} streams open already.`, { retryAfterSeconds: 10 });
    }
    const stream = new AdminStream();
    this.open.add(stream);
    const leave = this.sections.follow((name, json) => stream.put(name, json));
    const left = expiresAt - Date.now();
    const reason = left < LONGEST_MS ? 'token-expired' : 'too-old';
    const end = setTimeout(() => this.end(stream, reason), Math.min(left, LONGEST_MS)).unref();
    stream.once('close', () => {
      clearTimeout(end);
      leave();
      this.open.delete(stream);
      this.places.giveBack(key);
    });
    return stream;
  }

  private end(stream: AdminStream, reason: AdminGoaway['reason']): void {
    stream.goAway({ reason, retryInMs: RETRY_IN_MS[reason] });
    // A reader that does not read must not keep what it may no longer see, nor a process that stops.
    setTimeout(() => stream.destroy(), FAREWELL_MS).unref();
  }

  private async drain(): Promise<void> {
    this.isDraining = true;
    const streams = [...this.open];
    const closed = Promise.all(streams.map((stream) => once(stream, 'close')));
    for (const stream of streams) this.end(stream, 'draining');
    await withTimeLimit(2 * FAREWELL_MS, closed, () => []);
  }
}
