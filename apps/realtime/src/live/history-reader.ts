import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { ConversationFeedPort } from '#lib/conversations/conversation-feed.port';
import type { Message } from '#lib/conversations/message';
import { viewOf } from '#lib/conversations/message-view';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { type OutgoingFrame, outgoing } from '../session/live-session.js';

/** A message as it is sent to sessions that catch up. */
export interface PastMessage {
  readonly seq: number;
  readonly frame: OutgoingFrame;
}

/** Messages after a position. */
export interface HistoryPage {
  readonly messages: readonly PastMessage[];
  /** Newest message when the page was read. */
  readonly headSeq: number;
  readonly membersVersion: number;
}

interface Read {
  readonly page: Promise<HistoryPage | undefined>;
  bytes: number;
}

/** Reads at once; more only wait longer in Postgres, and would keep receipts and joins from being served there. */
const CONCURRENT = 16;
/** One page of each session and conversation that may be catching up. */
const QUEUED = 100_000;
/** A read page is kept for those that come a moment later: reconnecting clients stand at the same few messages. */
const KEPT_MS = 1_000;
/** Bytes of frames that are kept at most. */
const MAX_KEPT_BYTES = 16_000_000;

/**
 * Reads messages of the past, once for all sessions that ask for the same, and makes each frame once. A page of a conversation is not used
 * any more once one of its messages has changed (`generation`).
 */
export class HistoryReader {
  private readonly semaphore = new Semaphore('live.history', { concurrent: CONCURRENT, queued: QUEUED });
  private readonly reads = new Map<string, Read>();
  private keptBytes = 0;

  constructor(private readonly feed: ConversationFeedPort) {}

  /**
   * The messages after `afterSeq`, at most 200 and about 1 MB; undefined: there is no such conversation. Users are read for in turn. @throws
   * DependencyError.
   */
  page({ id, generation }: { id: ConversationId; generation: number }, afterSeq: number, reader: UserId): Promise<HistoryPage | undefined> {
    const key = `${id} ${afterSeq} ${generation}`;
    const known = this.reads.get(key);
    if (known !== undefined) return known.page;
    const read: Read = { page: this.inTurn(reader, () => this.read(id, afterSeq)), bytes: 0 };
    this.reads.set(key, read);
    read.page.then(
      (page) => this.keep(key, read, page),
      () => this.forget(key, read),
    );
    return read.page;
  }

  /** Runs another read for a session that catches up: it takes its turn among the pages. */
  inTurn<T>(reader: UserId, read: () => Promise<T>): Promise<T> {
    return this.semaphore.run(read, { caller: reader });
  }

  private keep(key: string, read: Read, page: HistoryPage | undefined): void {
    const bytes = page?.messages.reduce((sum, { frame }) => sum + frame.bytes.length, 0) ?? 0;
    // A session that gets an empty page comes again, for a newer one.
    if (bytes === 0 || this.keptBytes + bytes > MAX_KEPT_BYTES) return this.forget(key, read);
    read.bytes = bytes;
    this.keptBytes += bytes;
    setTimeout(() => this.forget(key, read), KEPT_MS).unref();
  }

  private forget(key: string, read: Read): void {
    this.keptBytes -= read.bytes;
    this.reads.delete(key);
  }

  private async read(id: ConversationId, afterSeq: number): Promise<HistoryPage | undefined> {
    const page = await this.feed.page(id, afterSeq);
    if (page === undefined) return undefined;
    const { headSeq, membersVersion } = page;
    return { headSeq, membersVersion, messages: page.messages.map((message) => ({ seq: message.seq, frame: createdFrame(message) })) };
  }
}

const createdFrame = (message: Message): OutgoingFrame => {
  const { conversationId, seq } = message;
  return outgoing({ type: 'message.created', conversationId, seq, message: viewOf(message) });
};

/** The frame that tells of the newest change of a message: that it was edited, or deleted. */
export const changeFrame = (message: Message): OutgoingFrame => {
  const { conversationId, seq, deletedAt } = message;
  return outgoing({ type: deletedAt === undefined ? 'message.edited' : 'message.deleted', conversationId, seq, message: viewOf(message) });
};
