import type { ConversationId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { routeDeadlinesMs } from '#lib/contracts/route-deadlines';
import type { ReceiptFrame } from '#lib/contracts/socket';
import type { RecordReceipt } from '#lib/conversations/record-receipt';
import { withDeadline } from '#lib/resilience/call/deadline';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { problemOf } from '#lib/resilience/problem-of';
import { metrics } from '#lib/runtime/metrics/metrics';

/** As long as the same receipt may take over REST. */
const RECORD_MS = routeDeadlinesMs['PUT /v1/conversations/:conversationId/receipts'] ?? 6_000;
/** Receipts recorded at once by one process: they share the connections for reads, most of which stay free for catching up. */
const CONCURRENT = 2;
/** Conversations of one session whose receipts wait: more than 40 frames need. */
const MAX_WAITING = 1_000;

/** Whose receipt it is, and who hears when it cannot be recorded. */
export interface ReceiptSource {
  readonly userId: UserId;
  sendError(problem: ProblemError, about: { readonly conversationId: string }): void;
}

type Receipt = Pick<ReceiptFrame, 'deliveredSeq' | 'readSeq'>;

/**
 * Receipts of sockets: a client that scrolls sends many, of which the highest counts. They are merged per session and conversation and recorded
 * each time {@link flush} is called, one after the other for each session, users in turn.
 */
export class PendingReceipts {
  private readonly waiting = new Map<ReceiptSource, Map<ConversationId, Receipt>>();
  private readonly recording = new Map<ReceiptSource, Promise<void>>();
  private readonly permits = new Semaphore('receipts', { concurrent: CONCURRENT, queued: 100_000 });

  constructor(private readonly recordReceipt: RecordReceipt) {}

  add(source: ReceiptSource, { conversationId, deliveredSeq, readSeq }: ReceiptFrame): void {
    const own = this.waiting.get(source) ?? new Map<ConversationId, Receipt>();
    const before = own.get(conversationId);
    if (before === undefined && own.size >= MAX_WAITING) {
      const problem = new ProblemError('rate-limited', 'Too many receipts are waiting.', { retryAfterSeconds: 1 });
      return source.sendError(problem, { conversationId });
    }
    own.set(conversationId, {
      deliveredSeq: highest(before?.deliveredSeq, deliveredSeq),
      readSeq: highest(before?.readSeq, readSeq),
    });
    this.waiting.set(source, own);
  }

  /** Begins to record what waits, but for sessions whose last receipts are still being recorded. */
  flush(): void {
    for (const [source, receipts] of this.waiting) {
      if (this.recording.has(source)) continue;
      this.waiting.delete(source);
      this.recording.set(
        source,
        this.record(source, receipts).finally(() => this.recording.delete(source)),
      );
    }
  }

  /** Records all that waits. Never rejects. */
  async finish(): Promise<void> {
    while (this.waiting.size + this.recording.size > 0) {
      this.flush();
      await Promise.all(this.recording.values());
    }
  }

  private async record(source: ReceiptSource, receipts: ReadonlyMap<ConversationId, Receipt>): Promise<void> {
    const { userId } = source;
    for (const [conversationId, receipt] of receipts) {
      try {
        const isMember = await this.permits.run(
          () => withDeadline(RECORD_MS, () => this.recordReceipt.execute(conversationId, userId, receipt)),
          { caller: userId, withinMs: RECORD_MS },
        );
        if (!isMember) throw new ProblemError('not-found', 'There is no such conversation.');
      } catch (error) {
        const known = problemOf(error);
        if (known === undefined) metrics.uncaughtErrors.inc({ where: 'frame' });
        source.sendError(known ?? new ProblemError('internal', 'Something went wrong on our side.', { cause: error }), { conversationId });
      }
    }
  }
}

const highest = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
