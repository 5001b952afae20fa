import { ProblemError } from '#lib/contracts/problems';
import type { MembershipLimits } from './conversation-store.port.js';
import { MAX_MEMBERS } from './limits.js';

const DAY_MS = 86_400_000;

/** The answer to who used up the quota of the day: it begins anew at midnight UTC. */
export const quotaUsedUp = ({ conversationsPerDay, additionsPerDay }: MembershipLimits): ProblemError => {
  const quota = [
    ...(conversationsPerDay > 0 ? [`start ${conversationsPerDay} conversations`] : []),
    ...(additionsPerDay > 0 ? [`add ${additionsPerDay} members`] : []),
  ].join(' and ');
  const retryAfterSeconds = Math.ceil((DAY_MS - (Date.now() % DAY_MS)) / 1_000);
  return new ProblemError('rate-limited', `A user may ${quota} a day. Try again after midnight UTC.`, { retryAfterSeconds });
};

/** The answer to a key that was used with another title or other members. */
export const startKeyReused = (): ProblemError =>
  new ProblemError('idempotency-key-reused', 'This idempotency key was used for a conversation with another body.');

/** The answer to who adds a user who left on its own. */
export const leftByThemselves = (): ProblemError =>
  new ProblemError('forbidden', 'This user left the conversation: only they themselves can come back.');

/** The answer to who adds one more to a conversation that is full. */
export const conversationIsFull = (): ProblemError => new ProblemError('validation', `A conversation has at most ${MAX_MEMBERS} members.`);
