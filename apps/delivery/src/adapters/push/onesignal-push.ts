import { z } from 'zod';
import { derivedId } from '#lib/contracts/ids';
import { UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import type { Breakers } from '#lib/resilience/call/breakers';
import { type Push, type PushOutcome, PushPort } from '../../push/push.port.js';
import { PushApi, type ProviderRefusal } from './push-api.js';

const InvalidIds = z.array(z.string());
/** A list of sentences, or lists of ids by what is wrong with them. */
const Errors = z.union([
  z.array(z.string()),
  z.object({ invalid_subscription_ids: InvalidIds.optional(), invalid_player_ids: InvalidIds.optional() }),
]);
const Answer = z.object({ id: z.string().optional(), errors: Errors.optional() });
type Answer = z.infer<typeof Answer>;

/** What OneSignal says of a subscription that is gone, or that never was one. */
const NOT_SUBSCRIBED = /not subscribed|(subscription|player)_ids?\b.*\b(format|valid)/i;
/** The start of a placeholder or a tag of the Liquid templates that OneSignal fills in. */
const LIQUID = /\{(?=[{%])/g;

/** OneSignal: https://documentation.onesignal.com/reference/push-notification. The token of a device is its subscription id. */
export class OneSignalPush extends PushPort {
  private readonly api: PushApi;

  /** @param options.timeoutMs for tests. */
  constructor(
    private readonly options: { url: string; appId: string; apiKey: string; timeoutMs?: number },
    breakers: Breakers,
  ) {
    super();
    this.api = new PushApi({ provider: 'onesignal', operation: 'send', ...options }, breakers);
  }

  async send(push: Push): Promise<PushOutcome> {
    const { appId, apiKey } = this.options;
    const body = { app_id: appId, ...messageOf(push) };
    return this.api.ask(
      { device: push.token, path: '/notifications?c=push', headers: { authorization: `Key ${apiKey}` }, body },
      outcomeFrom,
      outcomeOf,
    );
  }

  close(): void {
    this.api.close();
  }
}

const messageOf = ({ token, title, body, conversationId, messageId, seq, ttlSeconds }: Push) => ({
  target_channel: 'push',
  include_subscription_ids: [token],
  ...(title === undefined ? {} : { headings: { en: verbatim(title) } }),
  contents: { en: verbatim(body) },
  data: { conversationId, messageId, seq },
  collapse_id: conversationId,
  thread_id: conversationId,
  ttl: ttlSeconds,
  // The same push again, after an answer that was lost, is not sent again.
  idempotency_key: derivedId('push', messageId, token),
});

/** Nothing of a message is filled in: a zero-width space breaks up what would be a placeholder. */
const verbatim = (text: string): string => text.replace(LIQUID, '{\u200b');

/** OneSignal answers 200 without an id when it has sent nothing. */
const outcomeFrom = (answer: unknown): PushOutcome => {
  const parsed = Answer.safeParse(answer);
  if (!parsed.success || (parsed.data.id === undefined && parsed.data.errors === undefined)) {
    throw new UnusableAnswer('onesignal send', 'an answer without an id and without errors');
  }
  if (isGone(parsed.data)) return { kind: 'unregistered' };
  return parsed.data.id === undefined || parsed.data.id === ''
    ? { kind: 'refused', reason: 'onesignal: nothing was sent' }
    : { kind: 'sent' };
};

/** What the answer says about this push; undefined when OneSignal or our set-up fails: key, app, quota, 5xx. */
const outcomeOf = ({ status, answer }: ProviderRefusal): PushOutcome | undefined => {
  if (status !== 400) return undefined;
  const parsed = Answer.safeParse(answer);
  return parsed.success && isGone(parsed.data) ? { kind: 'unregistered' } : { kind: 'refused', reason: 'onesignal: answer 400' };
};

const isGone = ({ errors = [] }: Answer): boolean =>
  Array.isArray(errors)
    ? errors.some((error) => NOT_SUBSCRIBED.test(error))
    : [errors.invalid_subscription_ids, errors.invalid_player_ids].some((ids) => ids !== undefined && ids.length > 0);
