import { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { metrics } from '#lib/runtime/metrics';
import type { EdgeLimits } from './edge-limits.js';
import { FairShare } from './fair-share.js';
import type { RequestWork } from './request-work.js';

/** Smaller answers are always given: refusing one would say that a send did not happen which did. 50 of them are 3 MB. */
const ALWAYS_BYTES = 65_536;

interface Answer {
  readonly reply: FastifyReply;
  readonly caller: string;
  readonly bytes: number;
}

/**
 * The answers that are made and not sent yet. A client that reads slowly, or not at all, costs the memory of its answers and nothing else:
 * beyond its share further large answers to it are refused, beyond that of all the oldest are cut off, and one of which nothing goes out for
 * `answerStallMs` is cut off too.
 */
export class Answers {
  private readonly unsent: FairShare;
  /** In the order in which they were made: one that is read is gone within milliseconds, so the oldest is the one that is not read. */
  private readonly open = new Set<Answer>();
  private openBytes = 0;

  constructor(private readonly limits: Pick<EdgeLimits, 'unsentBytes' | 'unsentBytesPerCaller' | 'answerStallMs'>) {
    this.unsent = new FairShare({ max: 0, maxPerCaller: limits.unsentBytesPerCaller });
  }

  /** Counts an answer of `bytes` until it is out or cut off. @returns the problem to answer with instead, when there is no room for it. */
  add(reply: FastifyReply, work: RequestWork, bytes: number): ProblemError | undefined {
    const answer: Answer = { reply, caller: work.callerKey, bytes };
    if (this.unsent.take(answer.caller, bytes) === undefined) {
      this.open.add(answer);
      this.openBytes += bytes;
      work.whenOver(() => this.forget(answer));
      this.makeRoom();
    } else if (bytes > ALWAYS_BYTES) {
      metrics.rateLimited.inc({ scope: 'unsent' });
      return new ProblemError('rate-limited', 'You have not read your other answers yet.', { retryAfterSeconds: 1 });
    }
    // A partly written answer counts as moving; Node sets the time of the connection anew when the answer is out.
    const { socket } = reply.request.raw;
    if (socket instanceof Socket) reply.raw.setTimeout(this.limits.answerStallMs, () => cutStalled(socket));
    return undefined;
  }

  private makeRoom(): void {
    for (const oldest of this.open) {
      if (this.openBytes <= this.limits.unsentBytes || this.open.size === 1) return;
      metrics.answersCut.inc({ reason: 'memory' });
      this.forget(oldest);
      oldest.reply.raw.destroy();
    }
  }

  private forget(answer: Answer): void {
    if (!this.open.delete(answer)) return;
    this.openBytes -= answer.bytes;
    this.unsent.giveBack(answer.caller, answer.bytes);
  }
}

const cutStalled = (socket: Socket): void => {
  metrics.answersCut.inc({ reason: 'stalled' });
  socket.destroy();
};
