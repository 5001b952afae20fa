import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type ChannelModel, connect } from 'amqplib';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { AlertsReport } from '#lib/contracts/alerts';
import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import { newId } from '#lib/contracts/ids';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { type Script, ScriptedHttpServer } from '#lib/testing/scripted-http-server';
import { recordings, rules } from '../../apps/ops/src/alerts/rules.js';
import { metricsIn } from '../operate/metrics-in.js';

/** What a process does that meets an error which no code expects: at a signal that means nothing to it otherwise. */
const THROWS = `data:text/javascript,process.on('SIGWINCH',()=>{throw%20new%20Error('no%20code%20expects%20this')})`;
/** Stands in the URLs of both channels and must stand nowhere else. */
const SECRET = `secret${randomBytes(8).toString('hex')}`;
const CREATED = { status: 200, body: { name: 'spaces/x/messages/y' } };

interface Seen {
  readonly at: number;
  readonly thread: string | null;
  readonly text: string;
}

let own: PrivateStack; // a Postgres that may be killed
let parley: RunningParley;
let rabbitmq: ChannelModel;
let chat: ScriptedHttpServer;
let hook: ScriptedHttpServer;
let answer: Script = () => CREATED;
const cards: Seen[] = [];
const posts: { status: string; groupKey: string; commonLabels: Record<string, string> }[] = [];

beforeAll(async () => {
  own = await startPrivateStack({ only: ['postgres'] });
  chat = await ScriptedHttpServer.start(async (request) => {
    const thread = new URL(request.path, 'http://x').searchParams.get('threadKey');
    const said = await answer(request);
    if (typeof said !== 'function' && said.status === 200)
      cards.push({ at: performance.now(), thread, text: (request.body as { text: string }).text });
    return said;
  });
  hook = await ScriptedHttpServer.start(({ body }) => {
    posts.push(body as (typeof posts)[number]);
    return { status: 204 };
  });
  const { template: _, ...stack } = inject('stack');
  parley = await startParley({
    stack: { ...stack, databaseUrl: own.databaseUrl },
    // Two processes of ops share one Redis: one of them sends.
    twice: { ops: {} },
    env: {
      GOOGLE_CHAT_WEBHOOK_URL: `${chat.url}/v1/spaces/${SECRET}/messages?key=${SECRET}&token=${SECRET}`,
      ALERT_WEBHOOK_URL: `${hook.url}/${SECRET}`,
      ALERT_ENVIRONMENT: SECRET.slice(6),
      NODE_OPTIONS: `--import ${THROWS}`,
    },
  });
  rabbitmq = await connect(parley.rabbitmqUrl, { timeout: 5_000 });
  const haveLooked = async () => {
    const all = await Promise.all(opsUrls().map((url) => metricsOf(url)));
    if (!all.every((each) => each.get('health_check_up{check="postgres"}') === 1)) throw new Error('ops has not looked yet');
  };
  await eventually(haveLooked, { timeoutMs: 30_000 });
});
afterAll(async () => {
  await rabbitmq?.close();
  await parley?.stop();
  await Promise.all([chat?.stop(), hook?.stop()]);
  await own?.stop();
});

const opsUrls = (): string[] => [parley.ops.url, parley.seconds.ops?.url ?? ''];
const about = (alert: string) => cards.filter(({ text }) => text.includes(alert));
/** Alerts that an outage of Postgres is, or that follow from it. */
const ofPostgres = rules.filter(({ outageOf, consequenceOf }) => outageOf === 'postgres' || consequenceOf?.includes('postgres'));
const suppressed = async (reason: string): Promise<number> => {
  const all = await Promise.all(opsUrls().map((url) => metricsOf(url)));
  return all.reduce((sum, each) => sum + (each.get(`alerts_suppressed_total{reason="${reason}"}`) ?? 0), 0);
};

it('every metric that a rule asks for is in what some process shows', async () => {
  const texts = await Promise.all(
    [parley.url, parley.realtime.url, parley.scoring.url, ...opsUrls()].map(async (url) => (await fetch(`${url}/metrics`)).text()),
  );
  const shown = new Set([...texts.join('\n').matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
  const own = new Set(['up', ...recordings.map(({ record }) => record)]);
  const asked = new Set([...rules, ...recordings].flatMap(({ expr }) => metricsIn(expr)).filter((name) => !own.has(name)));
  expect([...asked].filter((name) => !shown.has(name))).toEqual([]);
});

it('a Postgres that is gone is told within 15 s, by one of two processes, once however long it lasts, and its end in the same thread', async () => {
  await own.postgres.kill();
  const goneAt = performance.now();
  const [card] = await eventually(
    () => {
      expect(about('DBConnectionFailure')).toHaveLength(1);
      return about('DBConnectionFailure');
    },
    { timeoutMs: 20_000 },
  );
  expect((card?.at ?? Number.POSITIVE_INFINITY) - goneAt).toBeLessThan(15_000);
  expect(card?.text).toMatch(/^\[P0\] DBConnectionFailure: Postgres cannot be reached from \d processes$/);
  // Found true again and again by both, and what follows from it as well: nothing more is told.
  await eventually(async () => expect(await suppressed('cooldown')).toBeGreaterThan(3), { timeoutMs: 40_000 });
  await eventually(async () => expect(await suppressed('muted')).toBeGreaterThan(0), { timeoutMs: 40_000 });
  expect(ofPostgres.flatMap(({ name }) => about(name)).map(({ text }) => text)).toEqual([card?.text]);
  const admin = await parley.client('olga', ['admin']);
  // The gateway needs no Postgres for this.
  const { channels, items } = AlertsReport.parse((await admin.request('GET', '/v1/admin/alerts')).body);
  expect(channels).toEqual(['Google Chat', 'webhook']);
  // Breakers may have opened before the check failed.
  expect(items).toContainEqual(expect.objectContaining({ alert: 'DBConnectionFailure', severity: 'P0', state: 'firing', mutedBy: null }));
  await own.postgres.start();
  await eventually(() => expect(about('resolved: DBConnectionFailure')).toHaveLength(1), { timeoutMs: 60_000 });
  expect(about('DBConnectionFailure').map(({ thread }) => thread)).toEqual([card?.thread, card?.thread]);
  await eventually(() =>
    expect(
      posts
        .filter(({ commonLabels }) => commonLabels['alertname'] === 'DBConnectionFailure')
        .map(({ status, groupKey }) => [status, groupKey]),
    ).toEqual([
      ['firing', card?.thread],
      ['resolved', card?.thread],
    ]),
  );
});

it('a channel that hangs costs no send anything and holds up no other channel; what it missed is told when it answers again', async () => {
  const alice = await parley.client('alice');
  const talk = await alice.createConversation({ title: 'while it hangs', memberIds: [] });
  const sends = async (): Promise<number[]> => {
    const took: number[] = [];
    for (let i = 0; i < 60; i += 1) {
      const startedAt = performance.now();
      await alice.send(talk.id, `message ${i}`);
      took.push(performance.now() - startedAt);
    }
    return took.toSorted((one, other) => one - other);
  };
  answer = () => () => undefined; // no answer at all
  const channel = await rabbitmq.createChannel();
  channel.publish(EVENTS_EXCHANGE, 'message.created', Buffer.from('no event'), { messageId: newId(), persistent: true });
  await eventually(() => expect(posts.some(({ commonLabels }) => commonLabels['alertname'] === 'DeadLetters')).toBe(true), {
    timeoutMs: 30_000,
  });
  // A send that waited for the channel would take its 5 s; how fast sends are otherwise is the machine's affair.
  expect((await sends())[30]).toBeLessThan(500);
  await eventually(
    async () => {
      const all = await Promise.all(opsUrls().map((url) => metricsOf(url)));
      expect(all.some((each) => (each.get('alerts_sent_total{severity="P1",outcome="failed"}') ?? 0) > 0)).toBe(true);
    },
    { timeoutMs: 40_000 },
  );
  answer = () => CREATED;
  await eventually(() => expect(cards.at(-1)?.text).toMatch(/^\[P1\] NotSent: \d+ notices could not be sent since /), {
    timeoutMs: 75_000,
  });
  // Breakers that the outage had opened closed after it; that was never a card of its own.
  expect(posts.map(({ commonLabels }) => commonLabels['alertname'])).not.toContain('PostgresBreakerOpen');
}, 200_000);

it('a process that ends by an uncaught error is told within 15 s of its next start, once; one that is started again in order is not', async () => {
  await parley.delivery.stop();
  await parley.delivery.start();
  const { scoring } = parley;
  const ended = new Promise<void>((resolve) => scoring.onCrash(() => resolve()));
  process.kill(scoring.pid ?? 0, 'SIGWINCH');
  await ended;
  await scoring.start();
  const startedAt = performance.now();
  await eventually(() => expect(about('ProcessCrashed')).not.toEqual([]), { timeoutMs: 30_000 });
  expect(about('ProcessCrashed').map(({ text }) => text)).toEqual([
    `[P0] ProcessCrashed: A process of scoring ended by an error that no code expects (${scoring.url}/metrics)`,
  ]);
  expect((about('ProcessCrashed')[0]?.at ?? Number.POSITIVE_INFINITY) - startedAt).toBeLessThan(15_000);
  // What its runbook tells to look at.
  expect(await parley.logOf('scoring')).toMatch(/"level":"fatal".*no code expects this/);
}, 150_000);

it('the URLs of the channels stand in no log and in no metric', async () => {
  const logs = await Promise.all([parley.logOf('ops'), readFile(parley.seconds.ops?.logFile ?? '', 'utf8')]);
  expect(logs.join('')).toContain('"alert":"DBConnectionFailure"');
  const shown = await Promise.all(opsUrls().map(async (url) => (await fetch(`${url}/metrics`)).text()));
  expect([...logs, ...shown].join('\n')).not.toContain(SECRET);
});
