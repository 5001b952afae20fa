import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { problemOf } from '#lib/resilience/problem-of';
import { BadFrame, type RawFrame } from './client-frames.js';
import { type OutgoingFrame, outgoing } from './live-session.js';
import type { SendMessages } from './send-messages.js';

/** Sends of one socket that are being stored. A client that waits for its acks never gets there; 10 sockets have a sixth of a process. */
const MAX_IN_HAND = 16;
const MAX_REF = 255;

/** Who is told what became of a send. */
export interface SendingSession {
  readonly userId: UserId;
  send(frame: OutgoingFrame): void;
  sendError(problem: ProblemError, about: { readonly ref: string }): void;
  /** It was no `send` at all. */
  refuseFrame(error: BadFrame): void;
  /** No send is in hand any more. */
  onSendsSettled(): void;
}

/** What one socket sends: acknowledged or answered with an error each, stored in the order in which it came. */
export class SocketSends {
  private inHand = 0;
  private last: Promise<void> | undefined;

  constructor(
    private readonly session: SendingSession,
    private readonly messages: SendMessages,
  ) {}

  get isIdle(): boolean {
    return this.inHand === 0;
  }

  /** @throws BadFrame without a `ref` to answer to. */
  begin(raw: RawFrame): void {
    const { session, messages } = this;
    const { ref } = raw;
    if (typeof ref !== 'string' || ref.length === 0 || ref.length > MAX_REF) throw new BadFrame(`ref: must be 1-${MAX_REF} characters`);
    if (this.inHand >= MAX_IN_HAND) {
      const detail = `You have ${MAX_IN_HAND} sends in hand already: wait for their acks.`;
      return session.sendError(new ProblemError('rate-limited', detail, { retryAfterSeconds: 1 }), { ref });
    }
    this.inHand += 1;
    const { admitted, stored } = messages.execute(session.userId, raw, this.last);
    // The next one is admitted after this one: that keeps their order.
    this.last = admitted;
    stored
      .then(
        ({ message }) => session.send(outgoing({ type: 'ack', ref, id: message.id, seq: message.seq })),
        (error: unknown) => this.rejected(error, ref),
      )
      .finally(() => this.settled());
  }

  private rejected(error: unknown, ref: string): void {
    if (error instanceof BadFrame) return this.session.refuseFrame(error);
    const problem = problemOf(error) ?? new ProblemError('internal', 'Something went wrong on our side.', { cause: error });
    this.session.sendError(problem, { ref });
  }

  private settled(): void {
    this.inHand -= 1;
    if (this.inHand > 0) return;
    this.last = undefined;
    this.session.onSendsSettled();
  }
}
