import type { ProblemCode } from '#lib/contracts/problems';

const NOT_AGAIN = 'Do not repeat this call.';
const LATER =
  'Wait as many seconds as retryAfterSeconds says, then make the same call again, a send_message with the same clientMessageId.';

/** What a model should do about a problem. It sees the arguments of its call and this text, and no headers and status codes. */
export const nextSteps: Readonly<Record<ProblemCode, string>> = {
  validation: 'Correct the arguments that errors names, then call again. Nothing was stored.',
  unauthenticated: `${NOT_AGAIN} The token of your host is not valid: say so to the person that you work for.`,
  forbidden: `${NOT_AGAIN} The user of your token may not do this: say so to the person that you work for.`,
  'not-found':
    'Check the id: list_conversations and search_messages show those that you may use. What you may not see is not there for you either.',
  'idempotency-key-reused': 'Another message was sent under this clientMessageId: take a new one for a new message.',
  'version-conflict': 'It was changed meanwhile: read it again, then decide.',
  'payload-too-large': 'Send less, in several calls.',
  'rate-limited': LATER,
  overloaded: LATER,
  'dependency-unavailable': LATER,
  timeout: `It may have happened or not. ${LATER}`,
  internal: `${NOT_AGAIN} Tell the person that you work for that it failed, with the requestId.`,
};
