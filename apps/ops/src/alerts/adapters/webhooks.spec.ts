import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { DependencyError } from '#lib/resilience/call/errors';
import { type Script, ScriptedHttpServer, type ScriptedRequest, scriptedFaults } from '#lib/testing/scripted-http-server';
import { ChannelBusy } from '../alert-channel.port.js';
import { aNotice } from '../notice.contract.js';
import { GoogleChatAlertChannel } from './google-chat-channel.js';
import { WebhookAlertChannel } from './webhook-channel.js';

const SECRET = 'AAAA-very-secret-space/messages?key=secret-key&token=secret-token';
const TIMEOUT_MS = 300;
const CREATED = { status: 200, body: { name: 'spaces/x/messages/y' } };

let server: ScriptedHttpServer;
let asked: ScriptedRequest[];
let script: Script;
const open: { close(): void }[] = [];
beforeEach(async () => {
  asked = [];
  script = () => CREATED;
  server = await ScriptedHttpServer.start((request) => {
    asked.push(request);
    return script(request);
  });
});
afterEach(async () => {
  for (const channel of open.splice(0)) channel.close();
  await server.stop();
});
const kept = <T extends { close(): void }>(channel: T): T => {
  open.push(channel);
  return channel;
};
const chat = (runbookUrl?: string) =>
  kept(
    new GoogleChatAlertChannel(
      { url: `${server.url}/v1/spaces/${SECRET}`, environment: 'staging', runbookUrl, timeoutMs: TIMEOUT_MS },
      createBreakers(),
    ),
  );
const webhook = () =>
  kept(new WebhookAlertChannel({ url: `${server.url}/hook/${SECRET}`, environment: 'staging', timeoutMs: TIMEOUT_MS }, createBreakers()));
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error,
  );
interface Card {
  readonly header: { readonly title: string; readonly subtitle: string; readonly imageUrl: string };
  readonly sections: readonly { readonly widgets: readonly Record<string, Record<string, unknown>>[] }[];
}
const cardOf = (request: ScriptedRequest | undefined) => {
  const { text, cardsV2 } = (request?.body ?? { text: '', cardsV2: [] }) as { text: string; cardsV2: { card: Card }[] };
  return { text, card: cardsV2[0]?.card, widgets: cardsV2[0]?.card.sections[0]?.widgets ?? [] };
};

describe('Google Chat', () => {
  it('gets a card: title with the severity, image, message, conversation, time, and the thread of its alert', async () => {
    await chat().send(aNotice({ fingerprint: 'abc', at: Date.UTC(2026, 0, 2), suppressedCount: 12 }));
    const url = new URL(asked[0]?.path ?? '', 'http://x');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      key: 'secret-key',
      token: 'secret-token',
      threadKey: 'abc',
      messageReplyOption: 'REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD',
    });
    const { text, card, widgets } = cardOf(asked[0]);
    expect(text).toBe('[P0] DBConnectionFailure: Postgres cannot be reached from 2 processes');
    expect(card?.header.title).toBe('[P0] DBConnectionFailure');
    expect(card?.header.subtitle).toContain('staging');
    expect(card?.header.imageUrl).toMatch(/^https:.*\.png$/);
    const labelled = Object.fromEntries(
      widgets.flatMap(({ decoratedText }) => (decoratedText === undefined ? [] : [[decoratedText['topLabel'], decoratedText['text']]])),
    );
    expect(labelled).toEqual({
      Message: '<font color="#FF0000">P0</font> Postgres cannot be reached from 2 processes',
      'Conversation ID': 'N/A',
      Time: '2026-01-02T00:00:00.000Z',
      'Found true again since the last notice': '12 times',
      Runbook: 'docs/operate/runbooks/postgres-away.md',
    });
  });

  it.each([
    [{ severity: 'P0' }, '#FF0000'],
    [{ severity: 'P1' }, '#FFA500'],
    [{ severity: 'P2' }, '#FFFF00'],
    [{ severity: 'P0', kind: 'resolved' }, '#CCCCCC'],
  ] as const)('shows %o in %s', async (facts, colour) => {
    await chat().send(aNotice(facts));
    expect(JSON.stringify(cardOf(asked[0]).widgets[0])).toContain(`<font color=\\"${colour}\\">`);
  });

  it('links the runbook where it can be read', async () => {
    await chat('https://docs.example/runbooks/').send(aNotice());
    expect(JSON.stringify(asked[0]?.body)).toContain('"url":"https://docs.example/runbooks/postgres-away.md"');
  });

  it('is given nothing that it would take for markup or for a call to everyone', async () => {
    await chat().send(aNotice({ labels: { queue: '<b>"q"&\'</b>' }, summary: '<users/all> <font color="red">', detail: '<a href="x">' }));
    const { text, widgets } = cardOf(asked[0]);
    expect(text).not.toMatch(/[<>]/);
    const shown = JSON.stringify(widgets).replaceAll(/<font color=\\"#FF0000\\">P0<\/font>/g, '');
    expect(shown).not.toMatch(/[<>]/);
    expect(shown).toContain('&lt;b&gt;&quot;q&quot;&amp;&#39;&lt;/b&gt;');
  });

  it('gets a card that it refuses once more, as plain text', async () => {
    script = ({ body }) => ('cardsV2' in (body as object) ? { status: 400, body: { error: 'bad card' } } : CREATED);
    await chat().send(aNotice());
    expect(asked.map(({ body }) => Object.keys(body as object))).toEqual([
      ['text', 'cardsV2', 'thread'],
      ['text', 'thread'],
    ]);
    script = () => ({ status: 400 });
    await failureOf(chat().send(aNotice()));
    expect(asked).toHaveLength(4);
  });

  it.each([
    ['nothing', () => (response) => void response.writeHead(204).end()],
    ['an empty object', () => ({ status: 200, body: {} })],
    ['a word', () => (response) => void response.writeHead(200).end('ok')],
  ] as const satisfies readonly (readonly [string, Script])[])(
    'may be a relay that answers with %s: it gets one card',
    async (_, answer) => {
      script = answer;
      await chat().send(aNotice());
      expect(asked).toHaveLength(1);
    },
  );

  // Whatever shape an answer has, it is one.
  it.each(Object.entries(scriptedFaults).filter(([name]) => name !== 'another shape'))('is away after %s', async (_, answer) => {
    script = () => answer;
    const startedAt = performance.now();
    expect(await failureOf(chat().send(aNotice()))).toBeInstanceOf(DependencyError);
    expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS * 10);
  });
});

describe('a webhook', () => {
  it('gets what Alertmanager would send', async () => {
    await webhook().send(aNotice({ labels: { queue: 'q' }, since: Date.UTC(2026, 0, 1) }));
    await webhook().send(aNotice({ kind: 'resolved', at: Date.UTC(2026, 0, 2) }));
    expect(asked[0]).toMatchObject({
      method: 'POST',
      path: `/hook/${SECRET}`,
      body: {
        version: '4',
        status: 'firing',
        groupKey: 'f1',
        commonLabels: { alertname: 'DBConnectionFailure', severity: 'p0', environment: 'staging', queue: 'q' },
        alerts: [{ status: 'firing', startsAt: '2026-01-01T00:00:00.000Z', endsAt: '0001-01-01T00:00:00Z', fingerprint: 'f1' }],
      },
    });
    expect(asked[1]?.body).toMatchObject({ status: 'resolved', alerts: [{ status: 'resolved', endsAt: '2026-01-02T00:00:00.000Z' }] });
  });

  it('may answer with any text', async () => {
    script = () => (response) => void response.writeHead(202).end('ok');
    await webhook().send(aNotice());
    expect(asked).toHaveLength(1);
  });
});

describe.each([
  ['Google Chat', chat],
  ['a webhook', webhook],
] as const)('%s, as a secret that may fail', (_, make) => {
  it('that asks for a pause is busy, not broken, however often', async () => {
    script = () => ({ status: 429, headers: { 'retry-after': '7' } });
    const channel = make();
    for (let i = 0; i < 10; i += 1) {
      const error = await failureOf(channel.send(aNotice()));
      expect(error).toBeInstanceOf(ChannelBusy);
      expect(error).toMatchObject({ retryAfterMs: 7_000 });
    }
  });

  it('that fails is left alone after five tries', async () => {
    script = () => ({ status: 500 });
    const channel = make();
    for (let i = 0; i < 20; i += 1) await failureOf(channel.send(aNotice()));
    expect(asked).toHaveLength(5);
  });

  it('stands in no error', async () => {
    const answers = [...Object.values(scriptedFaults), { status: 400 }, { status: 403, body: { url: SECRET } }, { status: 429 }];
    for (const answer of answers) {
      script = () => answer;
      const error = await failureOf(make().send(aNotice())).catch(() => 'taken');
      const told = `${inspect(error, { depth: 10 })} ${JSON.stringify(error)} ${String(error)}`;
      for (const part of ['very-secret', 'secret-key', 'secret-token']) expect(told).not.toContain(part);
    }
  });
});
