import { gunzipSync } from 'node:zlib';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { type Fault, FaultProxy } from '#lib/testing/fault-proxy';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { ScriptedS3 } from '#lib/testing/scripted-s3';

const QUEUE = 'scoring.logs';

let s3: ScriptedS3;
let proxy: FaultProxy;
let parley: RunningParley;
let alice: ParleyClient;
let owner: Client;
beforeAll(async () => {
  s3 = await ScriptedS3.start();
  proxy = await FaultProxy.before(s3.url);
  const endpoint = encodeURIComponent(proxy.through(s3.url));
  const env = { OBJECT_STORE_URL: `s3://logs/parley?endpoint=${endpoint}`, S3_ACCESS_KEY_ID: 'test', S3_SECRET_ACCESS_KEY: 'testsecret' };
  parley = await startParley({ stack: inject('stack'), env });
  alice = await parley.client('alice');
  owner = new Client({ connectionString: parley.databaseUrl, query_timeout: 10_000 });
  await owner.connect();
});
afterAll(async () => {
  await owner?.end();
  await parley?.stop();
  await proxy?.stop();
  await s3?.stop();
});

const end = async (conversationId: string, content = 'Chào bạn, hẹn gặp lại') => {
  const startedAt = performance.now();
  const { status, body } = await alice.request('POST', '/v1/conversations/end', {
    conversationId,
    userId: 'alice',
    startTime: '2026-01-31T09:00:00Z',
    endTime: '2026-01-31T09:30:00Z',
    conversationLog: [
      { role: 'user', content },
      { role: 'bot', content: 'See you' },
    ],
  });
  return { status, eventId: (body as { eventId: string }).eventId, tookMs: performance.now() - startedAt };
};
const objectOf = (eventId: string) => [...s3.objects].find(([key]) => key.includes(eventId))?.[1];
const stateOf = async (eventId: string) => {
  const { rows } = await owner.query(
    `SELECT log_stored_at IS NOT NULL AS stored, EXISTS (SELECT FROM conversation_logs WHERE end_id = id) AS staged
       FROM conversation_ends WHERE event_id = $1`,
    [eventId],
  );
  return rows[0] as { stored: boolean; staged: boolean } | undefined;
};
const untilStored = (eventId: string, timeoutMs = 30_000) =>
  eventually(async () => expect(await stateOf(eventId)).toEqual({ stored: true, staged: false }), {
    timeoutMs,
    what: 'the log is in the store',
  });
const deadLetters = async () =>
  [...(await metricsOf(parley.scoring.url))].filter(([name]) => name.startsWith(`dead_letter_total{queue="${QUEUE}"`));

it('a log goes into the object store, and its row in Postgres goes', async () => {
  const { status, eventId } = await end('robot-1');
  expect(status).toBe(202);
  await untilStored(eventId);
  const lines = gunzipSync(objectOf(eventId) ?? Buffer.alloc(0)).toString();
  expect(lines).toBe('{"role":"user","content":"Chào bạn, hẹn gặp lại"}\n{"role":"bot","content":"See you"}\n');
  const { body } = await alice.request('GET', '/v1/health');
  expect((body as { checks: Record<string, { status: string }> }).checks['objectStore']?.status).toBe('ok');
});

it('a log is stored once when the process is killed between the store and the commit', async () => {
  await parley.scoring.pause();
  const { eventId } = await end('robot-2');
  // What says that it is stored waits for this lock, so that the process is certainly in between.
  await owner.query('BEGIN');
  try {
    await owner.query('LOCK TABLE conversation_ends IN SHARE MODE');
    await parley.scoring.resume();
    await eventually(() => expect(objectOf(eventId)).toBeDefined(), { timeoutMs: 30_000, what: 'the object is put' });
    await parley.scoring.kill();
  } finally {
    await owner.query('ROLLBACK');
  }
  expect(await stateOf(eventId)).toEqual({ stored: false, staged: true });
  await parley.scoring.start();
  await untilStored(eventId, 60_000);
  expect([...s3.objects.keys()].filter((key) => key.includes(eventId))).toHaveLength(1);
  expect(await deadLetters()).toEqual([]);
});

it.each<[string, Fault]>([
  ['refuses connections', { kind: 'refuse' }],
  ['is a black hole', { kind: 'hang' }],
  ['resets connections', { kind: 'reset' }],
])('ends are accepted while the object store %s; their logs follow, and no attempt is lost', async (_, fault) => {
  await proxy.set(fault);
  // Refusing leaves the connections that are kept alive.
  if (fault.kind === 'refuse') await proxy.set({ kind: 'reset' }, 'existing');
  const ended = [];
  for (let i = 0; i < 4; i += 1) ended.push(await end(`robot-3-${fault.kind}-${i}`));
  expect(ended.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
  expect(Math.max(...ended.map(({ tookMs }) => tookMs))).toBeLessThan(2_000);
  const last = ended.at(-1)?.eventId ?? '';
  expect(await stateOf(last)).toEqual({ stored: false, staged: true });
  await eventually(
    async () => {
      const { body } = await alice.request('GET', '/v1/health');
      expect((body as { checks: Record<string, { status: string }> }).checks['objectStore']?.status).not.toBe('ok');
    },
    { timeoutMs: 20_000, what: 'health says so' },
  );
  await proxy.heal();
  for (const { eventId } of ended) await untilStored(eventId, 90_000);
  expect(await deadLetters()).toEqual([]);
});
