import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { type ScriptedAnswer, ScriptedHttpServer, type ScriptedRequest } from '#lib/testing/scripted-http-server';
import { aPush, pushContract } from '../../push/push.contract.js';
import { OneSignalPush } from './onesignal-push.js';

const KEY = 'os_v2_app_very_secret';
const APP = '9b1c4f0e-5a8f-4a53-9c3b-2f6f1f6f8a10';
const SENT: ScriptedAnswer = { status: 200, body: { id: '458dcec4-cf53-11e3-add2-000c2940e62c', external_id: null } };
const saying = (status: number, body: unknown): ScriptedAnswer => ({ status, body });

pushContract('OneSignalPush', {
  start: async () => {
    let answer: Parameters<Awaited<ReturnType<Parameters<typeof pushContract>[1]['start']>>['answering']>[0];
    let askedCount = 0;
    const server = await ScriptedHttpServer.start(() => {
      askedCount += 1;
      return answer?.() ?? SENT;
    });
    return {
      answering: (next) => void (answer = next),
      askedCount: () => askedCount,
      adapter: (breakers, timeoutMs) => new OneSignalPush({ url: server.url, appId: APP, apiKey: KEY, timeoutMs }, breakers),
      stop: () => server.stop(),
    };
  },
  unregistered: {
    'a subscription that ended': saying(200, { id: '', errors: ['All included players are not subscribed'] }),
    'a subscription that is not known': saying(200, { id: '', errors: { invalid_player_ids: ['device-token'] } }),
    'a subscription id that is none': saying(400, {
      errors: ['Incorrect subscription_id format in include_subscription_ids (not a valid UUID): device-token'],
    }),
  },
  refused: {
    'a push that is not taken': [
      saying(400, { errors: ['Message Notifications must have English language content'] }),
      'onesignal: answer 400',
    ],
    'a push that went nowhere': [saying(200, { id: '', errors: ['something else'] }), 'onesignal: nothing was sent'],
  },
  away: {
    'a key that is not known': saying(403, { errors: [`Access denied for ${KEY}`] }),
    'an app that is not there': saying(404, { errors: ['app not found'] }),
    'a quota that is used up': saying(429, { errors: ['API rate limit exceeded'] }),
  },
  secrets: () => [KEY],
});

describe('OneSignalPush', () => {
  const asked: ScriptedRequest[] = [];
  let server: ScriptedHttpServer;
  let push: OneSignalPush;
  beforeAll(async () => {
    server = await ScriptedHttpServer.start((request) => {
      asked.push(request);
      return SENT;
    });
    push = new OneSignalPush({ url: server.url, appId: APP, apiKey: KEY }, createBreakers());
  });
  afterAll(async () => {
    push.close();
    await server.stop();
  });

  it('asks the way it wants to be asked', async () => {
    const told = aPush();
    await push.send(told);
    const { conversationId, messageId } = told;
    expect(asked.at(-1)).toMatchObject({
      method: 'POST',
      path: '/notifications?c=push',
      headers: { authorization: `Key ${KEY}` },
      body: {
        app_id: APP,
        target_channel: 'push',
        include_subscription_ids: ['device-token'],
        headings: { en: 'Cà phê' },
        contents: { en: 'Shall we have coffee?' },
        data: { conversationId, messageId, seq: 7 },
        collapse_id: conversationId,
        ttl: 3_600,
        idempotency_key: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
    });
  });

  it('names the same push alike each time, and another one differently', async () => {
    const told = aPush();
    for (const one of [told, told, aPush()]) await push.send(one);
    const keys = asked.slice(-3).map(({ body }) => (body as Record<string, unknown>)['idempotency_key']);
    expect([keys[0] === keys[1], keys[1] === keys[2]]).toEqual([true, false]);
  });

  it('lets no message be filled in as a template', async () => {
    await push.send(aPush({ title: '{{ user.email }}', body: '{{{ app.key }}} {% assign a = 1 %} { a } {}' }));
    const [{ body } = { body: undefined }] = asked.slice(-1);
    const { headings, contents } = body as { headings: { en: string }; contents: { en: string } };
    expect(headings.en + contents.en).not.toMatch(/\{\{|\{%/);
    expect(contents.en).toContain('{ a } {}');
  });
});
