import type { UserId } from '#lib/contracts/ids';
import type { LiveSession } from '../session/live-session.js';
import type { CatchUp } from './catch-up.js';
import type { FollowedConversation } from './followed-conversation.js';

/** A user with open sockets on this process. What its sockets share is kept once. */
export class LocalUser {
  readonly sessions = new Set<LocalSession>();
  /** Those that it is a member of, as far as this process knows. */
  readonly conversations = new Set<FollowedConversation>();

  constructor(readonly id: UserId) {}
}

/** One open socket. It is live in each conversation of its user, but those that it is catching up with. */
export class LocalSession {
  /** Whether its conversations are known; before, nothing of them is sent. */
  isJoined = false;
  readonly catchUps = new Map<FollowedConversation, CatchUp>();
  /** Whether its catch-ups are being worked on. */
  isCatchingUp = false;
  /** Checks of resume points that are under way. */
  resumesPending = 0;
  /** Up to which message of this process, counted over all conversations, its pings have told the heads. */
  headsToldUpTo = 0;

  constructor(
    readonly session: LiveSession,
    readonly user: LocalUser,
  ) {}
}
