import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { ServiceAccount } from '#lib/runtime/config/service-account';
import { ScriptedFcm, UNREGISTERED } from '#lib/testing/scripted-fcm';
import type { ScriptedAnswer } from '#lib/testing/scripted-http-server';
import { aPush, pushContract } from '../../push/push.contract.js';
import { FcmPush } from './fcm-push.js';

const adapterOf = (fcm: ScriptedFcm, timeoutMs = 5_000, breakers = createBreakers()) =>
  new FcmPush({ url: fcm.url, account: ServiceAccount.parse(JSON.parse(fcm.serviceAccount)), timeoutMs }, breakers);

/** An error as FCM words it. */
const refusal = (
  code: number,
  status: string,
  errorCode?: string,
  field?: string,
  message = 'Request contains an invalid argument.',
): ScriptedAnswer => ({
  status: code,
  body: {
    error: {
      code,
      message,
      status,
      details: [
        ...(errorCode === undefined ? [] : [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }]),
        ...(field === undefined
          ? []
          : [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field, description: 'x' }] }]),
      ],
    },
  },
});

pushContract('FcmPush', {
  start: async () => {
    const fcm = await ScriptedFcm.start();
    return {
      answering: (answer) => void (fcm.answer = answer ?? (() => undefined)),
      askedCount: () => fcm.asked.length,
      adapter: (breakers, timeoutMs) => adapterOf(fcm, timeoutMs, breakers),
      stop: () => fcm.stop(),
    };
  },
  unregistered: {
    'an app that was removed': UNREGISTERED,
    'a token that is none, by its field': refusal(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'message.token'),
    'a token that is none, by its sentence': refusal(
      400,
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      undefined,
      'The registration token is not a valid FCM registration token',
    ),
  },
  refused: {
    'a message that is too big': [refusal(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'message'), 'fcm: INVALID_ARGUMENT message'],
    'a token of another project': [refusal(403, 'PERMISSION_DENIED', 'SENDER_ID_MISMATCH'), 'fcm: SENDER_ID_MISMATCH'],
    'a key at Apple that is wrong': [refusal(401, 'UNAUTHENTICATED', 'THIRD_PARTY_AUTH_ERROR'), 'fcm: THIRD_PARTY_AUTH_ERROR'],
  },
  away: {
    'a token that is refused twice': refusal(401, 'UNAUTHENTICATED'),
    'an account without the right to send': refusal(403, 'PERMISSION_DENIED'),
    'a project that is not there': refusal(404, 'NOT_FOUND'),
    'a quota that is used up': refusal(429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'),
    'a server that is overloaded': refusal(503, 'UNAVAILABLE', 'UNAVAILABLE'),
  },
  secrets: () => ['access-1', 'PRIVATE KEY'],
});

describe('FcmPush', () => {
  let fcm: ScriptedFcm;
  let push: FcmPush;
  const open: FcmPush[] = [];
  beforeAll(async () => {
    fcm = await ScriptedFcm.start();
  });
  afterAll(() => fcm.stop());
  afterEach(() => {
    for (const each of open.splice(0)) each.close();
    fcm.answer = () => undefined;
    fcm.tokenAnswer = () => undefined;
    fcm.sent.length = 0;
    fcm.revoked.clear();
  });
  const adapter = (timeoutMs?: number) => {
    push = adapterOf(fcm, timeoutMs);
    open.push(push);
    return push;
  };

  it('tells the device what it is about, and replaces what the conversation showed before', async () => {
    const told = aPush({ token: 'phone', seq: 12 });
    await adapter().send(told);
    const { conversationId, messageId } = told;
    expect(fcm.sent).toEqual([
      {
        token: 'phone',
        notification: { title: 'Cà phê', body: 'Shall we have coffee?' },
        data: { conversationId, messageId, seq: '12' },
        android: { collapse_key: conversationId, priority: 'HIGH', ttl: '3600s', notification: { tag: conversationId } },
        apns: {
          headers: { 'apns-collapse-id': conversationId, 'apns-expiration': expect.stringMatching(/^\d{10}$/) },
          payload: { aps: { 'thread-id': conversationId } },
        },
      },
    ]);
  });

  it('shares one access token between pushes, also of those that are sent at once', async () => {
    const before = fcm.tokenCount;
    adapter();
    await Promise.all(Array.from({ length: 20 }, () => push.send(aPush())));
    await push.send(aPush());
    expect([fcm.tokenCount - before, fcm.sent.length]).toEqual([1, 21]);
  });

  it('renews an access token that is refused, once', async () => {
    adapter();
    await push.send(aPush());
    const before = fcm.tokenCount;
    fcm.revoked.add(`access-${before}`);
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => push.send(aPush())));
    expect(outcomes).toEqual(Array.from({ length: 10 }, () => ({ kind: 'sent' })));
    expect(fcm.tokenCount).toBe(before + 1);
  });

  it('renews an access token before it ends', async () => {
    fcm.tokenAnswer = () => ({ status: 200, body: { access_token: `access-${(fcm.tokenCount += 1)}`, expires_in: 0.02 } });
    const before = fcm.tokenCount;
    await adapter().send(aPush());
    await expect.poll(async () => push.send(aPush()).then(() => fcm.tokenCount)).toBeGreaterThan(before + 1);
  });

  it.each<[string, ScriptedAnswer | (() => void)]>([
    ['an account that is not known', { status: 400, body: { error: 'invalid_grant' } }],
    ['an answer without a token', { status: 200, body: { token_type: 'Bearer' } }],
    ['no answer', () => undefined],
  ])('waits when it gets no access token: %s', async (_, answer) => {
    fcm.tokenAnswer = () => answer;
    await expect(adapter(300).send(aPush())).rejects.toMatchObject({ name: 'DependencyError', dependency: 'fcm', operation: 'token' });
    fcm.tokenAnswer = () => undefined;
    expect(await push.send(aPush())).toEqual({ kind: 'sent' });
  });
});
