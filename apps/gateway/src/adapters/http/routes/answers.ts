import type { Server } from 'node:http';
import { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { EdgeLimits } from '../edge/edge-limits.js';
import { FairShare } from '#lib/resilience/limit/fair-share';
import { workOf } from '../edge/request-work.js';

/** Smaller answers are always given: refusing one would say that a send did not happen which did. 50 of them are 3 MB. */
const ALWAYS_BYTES = 65_536;

/**
 * Answers that are made and not sent yet. A client that reads slowly costs the memory of its answers and nothing else: beyond its share, large
 * answers to it are refused; beyond the share of all clients, the oldest are cut off; an answer that stands still for `answerStallMs` is cut off.
 */
export class Answers {
  private readonly unread: FairShare;
  /** Oldest first: an answer that is read is gone within milliseconds, so the oldest is the one that is not read. */
  private readonly open = new Set<FastifyRequest>();
  private openBytes = 0;

  constructor(
    private readonly limits: Pick<EdgeLimits, 'unsentBytes' | 'unsentBytesPerCaller' | 'answerStallMs'>,
    server: Server,
  ) {
    this.unread = new FairShare({ max: 0, maxPerCaller: limits.unsentBytesPerCaller });
    // Called for idle connections too: those have nothing to write.
    server.on('timeout', (socket: Socket) => {
      if (socket.writableLength > 0) metrics.answersCut.inc({ reason: 'stalled' });
      socket.destroy();
    });
  }

  /** Counts an answer of `bytes` until it is removed. @returns the problem to answer with instead, when there is no room for it. */
  add(request: FastifyRequest, bytes: number): ProblemError | undefined {
    const work = workOf(request);
    if (this.unread.take(work.callerKey, bytes) === undefined) {
      work.unreadBytes = bytes;
      // A stream holds no more than its buffer: cutting it off would make no room.
      if (bytes > 0) this.open.add(request);
      this.openBytes += bytes;
      if (this.openBytes > this.limits.unsentBytes) this.makeRoom();
    } else if (bytes > ALWAYS_BYTES) {
      metrics.rateLimited.inc({ scope: 'unsent' });
      return new ProblemError('rate-limited', 'You have not read your other answers yet.', { retryAfterSeconds: 1 });
    }
    // A partly written answer counts as moving; Node sets the time of the connection anew when the answer is out.
    const { socket } = request.raw;
    if (socket instanceof Socket) socket.setTimeout(this.limits.answerStallMs);
    return undefined;
  }

  /** Called when the answer is out or cut off. */
  remove(request: FastifyRequest): void {
    if (!this.open.delete(request)) return;
    const { callerKey, unreadBytes } = workOf(request);
    this.openBytes -= unreadBytes;
    this.unread.giveBack(callerKey, unreadBytes);
  }

  private makeRoom(): void {
    for (const oldest of this.open) {
      if (this.openBytes <= this.limits.unsentBytes || this.open.size === 1) return;
      metrics.answersCut.inc({ reason: 'memory' });
      this.remove(oldest);
      oldest.raw.socket.destroy();
    }
  }
}
