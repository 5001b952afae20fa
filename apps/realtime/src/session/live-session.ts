import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { ResumePoint, ServerFrame, ServerFrameType } from '#lib/contracts/socket';

/** A frame as it goes out: made once, sent to many sockets. */
export interface OutgoingFrame {
  /** Label of `ws_frames_total`. */
  readonly type: ServerFrameType;
  /** UTF-8 JSON. */
  readonly bytes: Buffer;
}

/** A session whose `hello` was accepted, as the live conversations see it: one open socket of one user. */
export interface LiveSession {
  readonly id: string;
  readonly userId: UserId;
  readonly isClosed: boolean;
  /** Queues a frame. A session that has too much unsent is closed (4008) and takes no more; sending to a closed one does nothing. */
  send(frame: OutgoingFrame): void;
  /** Settles when less than half of what may be unsent is unsent; true, or false when the session is closed by then. */
  drained(): Promise<boolean>;
}

/** What a session asks of the live conversations (`live/live-conversations.ts`). */
export interface LiveHub {
  /**
   * Calls `welcome` once the session's conversations are known, before their first frame: whatever is committed after it reaches the session.
   * @throws DependencyError when they cannot be known.
   */
  join(session: LiveSession, resume: readonly ResumePoint[], welcome: () => void): Promise<void>;
  resume(session: LiveSession, point: ResumePoint): void;
  typing(session: LiveSession, conversationId: ConversationId): void;
  /** Newest seqs of the session's conversations that had messages since the last call. */
  headsFor(session: LiveSession): Record<ConversationId, number> | undefined;
  leave(session: LiveSession): void;
}

/** The frame of one message to a client, to be sent as it is. */
export const outgoing = (frame: ServerFrame): OutgoingFrame => ({ type: frame.type, bytes: Buffer.from(JSON.stringify(frame)) });
