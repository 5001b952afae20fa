import type { ConversationId } from '#lib/contracts/ids';
import type { ServerFrame } from '#lib/contracts/socket';
import { metrics } from '#lib/runtime/metrics/metrics';
import { type LiveSession, outgoing } from '../session/live-session.js';

/** Why a resume is not carried out. */
export type Refusal = ServerFrame & { readonly type: 'error' };

/** The answer to a resume in this conversation. */
export const refusalOf = (conversationId: ConversationId, code: Refusal['code'], detail: string): Refusal => ({
  type: 'error',
  code,
  detail,
  conversationId,
});

/** For a user who is no member: as if the conversation did not exist. */
export const strangerTo = (conversationId: ConversationId): Refusal =>
  refusalOf(conversationId, 'not-found', 'There is no such conversation.');

/** Answers a resume with an error. */
export const refuse = (session: LiveSession, refusal: Refusal): void => {
  metrics.wsResume.inc({ outcome: refusal.code });
  session.send(outgoing(refusal));
};
