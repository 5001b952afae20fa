import { z } from 'zod';
import { UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import type { Breakers } from '#lib/resilience/call/breakers';
import type { ServiceAccount } from '#lib/runtime/config/service-account';
import { type Push, type PushOutcome, PushPort } from '../../push/push.port.js';
import { FcmAccessToken } from './fcm-access-token.js';
import { PushApi, type ProviderRefusal } from './push-api.js';

const Sent = z.object({ name: z.string() });
const Violation = z.object({ field: z.string().max(200) });
const Refusal = z.object({
  error: z.object({
    message: z.string().optional(),
    details: z.array(z.object({ errorCode: z.string().max(100).optional(), fieldViolations: z.array(Violation).optional() })).default([]),
  }),
});

/** The access token was refused; the call is made once more with a new one. */
const TOKEN_REFUSED = 'token-refused';

/** Firebase Cloud Messaging, HTTP v1: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send. */
export class FcmPush extends PushPort {
  private readonly api: PushApi;
  private readonly accessToken: FcmAccessToken;
  private readonly path: string;

  /** @param options.timeoutMs for tests. */
  constructor({ url, account, timeoutMs }: { url: string; account: ServiceAccount; timeoutMs?: number }, breakers: Breakers) {
    super();
    this.api = new PushApi({ provider: 'fcm', operation: 'send', url, timeoutMs }, breakers);
    this.accessToken = new FcmAccessToken(account, breakers, timeoutMs);
    this.path = `/v1/projects/${account.project_id}/messages:send`;
  }

  async send(push: Push): Promise<PushOutcome> {
    const token = await this.accessToken.get();
    const outcome = await this.post(push, token, true);
    if (outcome !== TOKEN_REFUSED) return outcome;
    this.accessToken.forget(token);
    return this.post(push, await this.accessToken.get(), false);
  }

  close(): void {
    this.api.close();
    this.accessToken.close();
  }

  private post(push: Push, token: string, isFirst: false): Promise<PushOutcome>;
  private post(push: Push, token: string, isFirst: true): Promise<PushOutcome | typeof TOKEN_REFUSED>;
  private async post(push: Push, token: string, isFirst: boolean): Promise<PushOutcome | typeof TOKEN_REFUSED> {
    const call = { device: push.token, path: this.path, headers: { authorization: `Bearer ${token}` }, body: { message: messageOf(push) } };
    return this.api.ask<PushOutcome | typeof TOKEN_REFUSED>(call, sentFrom, (refusal) => outcomeOf(refusal, isFirst));
  }
}

const messageOf = ({ token, title, body, conversationId, messageId, seq, ttlSeconds }: Push) => ({
  token,
  notification: { ...(title === undefined ? {} : { title }), body },
  data: { conversationId, messageId, seq: String(seq) }, // FCM takes texts only
  // The tag replaces what is shown, the collapse key what waits for a device that is out of reach.
  android: { collapse_key: conversationId, priority: 'HIGH', ttl: `${ttlSeconds}s`, notification: { tag: conversationId } },
  apns: {
    headers: { 'apns-collapse-id': conversationId, 'apns-expiration': String(Math.floor(Date.now() / 1_000) + ttlSeconds) },
    payload: { aps: { 'thread-id': conversationId } },
  },
});

const sentFrom = (answer: unknown): PushOutcome => {
  if (!Sent.safeParse(answer).success) throw new UnusableAnswer('fcm send', 'an answer without the name of a message');
  return { kind: 'sent' };
};

/** What the answer says about this push; undefined when FCM or our set-up fails: another project, no right to send, quota, 5xx. */
function outcomeOf({ status, answer }: ProviderRefusal, isFirst: boolean): PushOutcome | typeof TOKEN_REFUSED | undefined {
  const { message = '', details = [] } = Refusal.safeParse(answer).data?.error ?? {};
  const code = details.find(({ errorCode }) => errorCode !== undefined)?.errorCode;
  const fields = details.flatMap(({ fieldViolations = [] }) => fieldViolations.map(({ field }) => field));
  if (code === 'UNREGISTERED') return { kind: 'unregistered' };
  // The key of the app at Apple, or a token of another app: other devices get their pushes.
  if (code === 'THIRD_PARTY_AUTH_ERROR' || code === 'SENDER_ID_MISMATCH') return { kind: 'refused', reason: `fcm: ${code}` };
  if (status === 401 && isFirst) return TOKEN_REFUSED;
  if (status !== 400) return undefined;
  // FCM has two ways to say that a token is none.
  if (fields.includes('message.token') || message.includes('not a valid FCM registration token')) return { kind: 'unregistered' };
  return { kind: 'refused', reason: `fcm: ${['INVALID_ARGUMENT', ...fields].join(' ')}` };
}
