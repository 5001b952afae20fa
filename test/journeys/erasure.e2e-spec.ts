import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { DocumentView } from '#lib/contracts/documents';
import { JobAccepted } from '#lib/contracts/jobs';
import { ERASED_USER, newId } from '#lib/contracts/ids';
import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { processes } from '#lib/devstack/services';
import { logPrefixOf } from '#lib/scores/ends/log-key';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

/** A word that stands nowhere else: letters and digits, so that search keeps it as one. */
const CANARY = `canary${randomBytes(8).toString('hex')}`;
const ALICE = `alice-${randomBytes(8).toString('hex')}`;
/** More than one page of 200. */
const MESSAGES = 450;

let own: PrivateStack; // a Chroma that may be killed
let parley: RunningParley;
let connection: ChannelModel;
let channel: Channel;
let database: Client;
let redis: Redis;
let alice: ParleyClient;
let bob: ParleyClient;
let admin: ParleyClient;

beforeAll(async () => {
  own = await startPrivateStack({ only: ['chroma'] });
  parley = await startParley({ stack: { ...inject('stack'), chromaUrl: own.chromaUrl } });
  connection = await connect(parley.rabbitmqUrl, { timeout: 5_000 });
  channel = await connection.createChannel();
  database = new Client({ connectionString: parley.databaseUrl });
  await database.connect();
  redis = new Redis(inject('stack').redisUrl);
  [alice, bob, admin] = await Promise.all([parley.client(ALICE), parley.client('bob'), parley.client('olga', ['admin'])]);
});
afterAll(async () => {
  redis?.disconnect();
  await database?.end();
  await connection?.close();
  await parley?.stop();
  await own?.stop();
});

it('an erased user is in no store any more, though Chroma was away and ops was killed twice meanwhile; others keep what is theirs', async () => {
  const talk = await alice.createConversation({ title: `a title with ${CANARY}`, memberIds: ['bob'] });
  const alone = await alice.createConversation({ title: CANARY, memberIds: [] });
  await alice.send(alone.id, `to myself: ${CANARY}`);
  const edited = await alice.send(talk.id, 'before it was edited');
  await alice.request('PATCH', `/v1/messages/${edited.id}`, { content: `edited: ${CANARY}` });
  const deleted = await alice.send(talk.id, `deleted: ${CANARY}`);
  await alice.request('DELETE', `/v1/messages/${deleted.id}`);
  const withMetadata = { content: 'metadata', metadata: { note: CANARY } };
  await alice.request('POST', `/v1/conversations/${talk.id}/messages`, withMetadata, { 'idempotency-key': CANARY });
  await alice.request('PUT', '/v1/devices/phone', { provider: 'fcm', token: CANARY });
  for (let sent = 0; sent < MESSAGES; sent += 50)
    await Promise.all(Array.from({ length: 50 }, (_, i) => alice.send(talk.id, `message ${sent + i} with ${CANARY}`)));
  await endWithLog(alice, ALICE, `Is this a log with ${CANARY}?`);
  await endWithLog(bob, 'bob', 'Is this a log that stays?');
  await upload(alice, { conversationId: talk.id, title: `a paper with ${CANARY}`, content: textOf(`The canary is called ${CANARY}. `) });
  const paper = await upload(bob, { conversationId: talk.id, title: 'Hangar', content: textOf('The zeppelin hangar is closed. ') });
  const bobs = await bob.send(talk.id, 'what Bob says stays');
  await leaveDeadLetters();
  await setAsideInOutbox();
  await everythingIsIndexed();
  await everyEndIsScored(2);
  const before = await bob.messages(talk.id, { limit: 200 });
  const keptOfBob = await whatBobHas(paper.id);
  expect(keptOfBob).toMatchObject({ status: { userId: 'bob' }, document: { state: 'done' }, isFound: true, logs: [expect.any(String)] });
  expect((await bob.search({ q: CANARY })).items.length).toBeGreaterThan(0);
  expect((await placesOf(CANARY)).sort()).toEqual(
    expect.arrayContaining([
      'a file of the object store',
      'table devices',
      'table document_parts',
      'table documents',
      'table messages',
      'table outbox',
      'queue embedding.messages.dlq',
    ]),
  );
  expect(await placesOf(ALICE)).toEqual(
    expect.arrayContaining([
      'a file of the object store',
      'table conversation_ends',
      'table document_parts',
      'table friendship_statuses',
      'table score_changes',
    ]),
  );

  expect((await bob.request('DELETE', `/v1/users/${ALICE}/data`)).status).toBe(403);
  await own.chroma.kill();
  const { jobId } = JobAccepted.parse((await admin.request('DELETE', `/v1/users/${ALICE}/data`)).body);
  expect(JobAccepted.parse((await admin.request('DELETE', `/v1/users/${ALICE}/data`)).body).jobId).toBe(jobId);
  await eventually(async () => expect(await jobOf(jobId)).toMatchObject({ status: 'running', result: { waitingFor: ['chroma'] } }), {
    timeoutMs: 30_000,
  });
  await parley.ops.kill();
  await own.chroma.start();
  await parley.ops.start();
  await eventually(async () => expect((await jobOf(jobId))?.result?.erased?.['messages']).toBeGreaterThan(0), {
    timeoutMs: 60_000,
    everyMs: 5,
  });
  await parley.ops.kill();
  await parley.ops.start();
  const job = await eventually(
    async () => {
      const now = await jobOf(jobId);
      expect(now?.status).toBe('done');
      return now;
    },
    { timeoutMs: 90_000, everyMs: 250, what: 'the user is erased' },
  );

  expect(job?.result?.erased).toMatchObject({ memberships: 2, conversations: 2, devices: 1, ends: 1, logs: 1, documents: 1 });
  expect(job?.result?.erased?.['deadLetters']).toBeGreaterThanOrEqual(2);
  // The kill may cost the count of one page.
  expect(job?.result?.erased?.['messages']).toBeGreaterThanOrEqual(MESSAGES + 4 - 200);
  expect(await placesOf(CANARY)).toEqual([]);
  expect(await placesOf(ALICE)).toEqual([]);
  expect((await metricsOf(parley.ops.url)).get('event_attempts_total{queue="ops.erasures",outcome="dead-letter"}') ?? 0).toBe(0);

  expect(await whatBobHas(paper.id)).toEqual(keptOfBob);
  const after = await bob.messages(talk.id, { limit: 200 });
  expect(after.headSeq).toBe(before.headSeq);
  expect(after.items.map(({ seq, id }) => `${seq} ${id}`)).toEqual(before.items.map(({ seq, id }) => `${seq} ${id}`));
  const [last, ...tombstones] = after.items.toReversed();
  expect(last).toMatchObject({ id: bobs.id, content: 'what Bob says stays', senderId: 'bob', version: 1 });
  expect(new Set(tombstones.map(({ senderId, content, deletedAt }) => `${senderId} "${content}" ${deletedAt !== null}`))).toEqual(
    new Set([`${ERASED_USER} "" true`]),
  );
  expect((await bob.search({ q: CANARY })).items).toEqual([]);
  expect((await bob.request('GET', `/v1/conversations/${talk.id}`)).body).toMatchObject({
    title: null,
    memberIds: ['bob'],
  });
  expect((await alice.request('GET', `/v1/conversations/${talk.id}`)).status).toBe(404);
  await bob.send(talk.id, 'and the conversation goes on');

  // The token is still valid: the id begins anew.
  const anew = await alice.createConversation({ memberIds: [] });
  await alice.send(anew.id, 'hello again');
}, 240_000);

interface JobRow {
  readonly status: string;
  readonly result: { readonly erased?: Record<string, number>; readonly waitingFor?: string[] } | null;
}

const jobOf = async (id: string): Promise<JobRow | undefined> =>
  (await database.query<JobRow>('SELECT status, result FROM jobs WHERE id = $1', [id])).rows[0];

async function endWithLog(client: ParleyClient, userId: string, content: string): Promise<void> {
  const answer = await client.request('POST', '/v1/conversations/end', {
    conversationId: 'of-another-system',
    userId,
    startTime: '2026-01-31T09:30:00.000Z',
    endTime: '2026-01-31T09:40:00.000Z',
    conversationLog: [{ role: 'user', content }],
  });
  expect(answer.status).toBe(202);
}

async function upload(client: ParleyClient, document: object): Promise<DocumentView> {
  const answer = await client.request('POST', '/v1/documents', document);
  expect(answer.status).toBe(202);
  return answer.body as DocumentView;
}

/** More than one part of a document. */
const textOf = (sentence: string) => sentence.repeat(Math.ceil(40_000 / sentence.length));

/** What must be the same after the erasure of Alice. */
async function whatBobHas(documentId: string) {
  const paths = ['/v1/friendship_status/bob', '/v1/friendship_status/bob/history', `/v1/documents/${documentId}`];
  const [status, history, document] = await Promise.all(
    paths.map(async (path) => {
      const answer = await bob.request('GET', path);
      expect(answer.status).toBe(200);
      return answer.body;
    }),
  );
  const found = await bob.search({ q: 'zeppelin hangar closed', mode: 'dense' });
  const isFound = found.items.some(({ message }) => message.id === documentId);
  const logs = (await objects()).filter(({ path, text }) => path.includes(logPrefixOf('bob')) && text.includes('that stays'));
  return { status, history, document, isFound, logs: logs.map(({ path }) => path) };
}

/** A message that breaks its schema, and one that is no event at all. */
async function leaveDeadLetters(): Promise<void> {
  const { conversationId: _, ...broken } = aMessageCreated({ senderId: ALICE, content: CANARY });
  for (const body of [JSON.stringify(broken), `no event, but it has "${ALICE}" and ${CANARY}`])
    channel.publish(EVENTS_EXCHANGE, 'message.created', Buffer.from(body), { messageId: newId(), persistent: true });
  await eventually(async () => expect((await channel.checkQueue('embedding.messages.dlq')).messageCount).toBe(2));
}

async function setAsideInOutbox(): Promise<void> {
  const event = aMessageCreated({ senderId: ALICE, content: CANARY });
  await database.query(
    `INSERT INTO outbox (event_id, routing_key, envelope, parked_at, park_reason) VALUES ($1, 'message.created', $2, now(), 'invalid: by hand')`,
    [event.eventId, event],
  );
}

const everythingIsIndexed = () =>
  eventually(
    async () => {
      const { rows } = await database.query<{ left: number }>(
        `SELECT (SELECT count(*) FROM messages m LEFT JOIN message_chunks c ON c.message_id = m.id WHERE c.version IS DISTINCT FROM m.version)
              + (SELECT count(*) FROM texts_to_index)
              + (SELECT count(*) FROM documents WHERE state <> 'done')
              + (SELECT count(*) FROM document_parts WHERE words IS NULL) AS left`,
      );
      expect(Number(rows[0]?.left)).toBe(0);
    },
    { timeoutMs: 60_000, everyMs: 250, what: 'words and vectors of all messages and documents' },
  );

const everyEndIsScored = (count: number) =>
  eventually(
    async () => {
      const { rows } = await database.query(
        `SELECT (SELECT count(*)::int FROM conversation_ends WHERE log_stored_at IS NOT NULL) AS stored,
                (SELECT count(DISTINCT user_id)::int FROM score_changes) AS scored`,
      );
      expect(rows[0]).toEqual({ stored: count, scored: count });
    },
    { timeoutMs: 60_000, everyMs: 250, what: 'logs are moved and ends are scored' },
  );

/** Every place that holds `text`: tables, collections, queues, keys, files of the object store, logs. */
async function placesOf(text: string): Promise<string[]> {
  const found = await Promise.all([
    tablesWith(text),
    collectionsWith(text),
    queuesWith(text),
    keysWith(text),
    filesWith(text),
    logsWith(text),
  ]);
  return found.flat();
}

async function tablesWith(text: string): Promise<string[]> {
  const { rows: tables } = await database.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
  );
  const hex = Buffer.from(text).toString('hex');
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await database.query(`SELECT FROM ${name} AS t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0 LIMIT 1`, [
      text,
      hex,
    ]);
    if (rows.length > 0) found.push(`table ${name}`);
  }
  return found;
}

async function collectionsWith(text: string): Promise<string[]> {
  const base = `${parley.chromaUrl}/api/v2/tenants/default_tenant/databases/default_database/collections`;
  const collections = (await (await fetch(base)).json()) as { id: string; name: string }[];
  const found: string[] = [];
  for (const { id, name } of collections) {
    const body = JSON.stringify({ limit: 100_000, include: ['documents', 'metadatas'] });
    const records = await fetch(`${base}/${id}/get`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    if ((await records.text()).includes(text)) found.push(`collection ${name}`);
  }
  return found;
}

async function queuesWith(text: string): Promise<string[]> {
  const { origin, username, password } = new URL(inject('stack').rabbitmqManagementUrl);
  const vhost = new URL(parley.rabbitmqUrl).pathname.slice(1);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const queues = (await (await fetch(`${origin}/api/queues/${vhost}`, { headers: { authorization } })).json()) as { name: string }[];
  const found: string[] = [];
  for (const { name } of queues) {
    const letters: Buffer[] = [];
    const reading = await connection.createChannel();
    reading.on('error', () => undefined); // an exclusive queue of another connection
    try {
      for (let letter = await reading.get(name); letter !== false; letter = await reading.get(name)) letters.push(letter.content);
      await reading.close(); // gives them back
    } catch {
      continue;
    }
    if (letters.some((letter) => letter.includes(text))) found.push(`queue ${name}`);
  }
  return found;
}

async function keysWith(text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const keys of redis.scanStream({ count: 1_000 }) as AsyncIterable<string[]>)
    for (const key of keys) if (`${key} ${JSON.stringify(await valueOf(key))}`.includes(text)) found.push(`key ${key}`);
  return found;
}

async function valueOf(key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'list':
      return redis.lrange(key, 0, -1);
    default:
      return undefined;
  }
}

/** Paths have a hash instead of the user id. */
async function filesWith(text: string): Promise<string[]> {
  const found = (await objects()).some(
    (object) => `${object.path} ${object.text}`.includes(text) || object.path.includes(logPrefixOf(text)),
  );
  return found ? ['a file of the object store'] : [];
}

/** All that is in the object store, also what is being written. */
async function objects(): Promise<{ readonly path: string; readonly text: string }[]> {
  const folder = fileURLToPath(parley.environment['OBJECT_STORE_URL'] ?? '');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(paths.map(async (path) => ({ path, text: gunzipSync(await readFile(path)).toString() })));
}

/** Logs hold ids, never content. */
async function logsWith(text: string): Promise<string[]> {
  if (text !== CANARY) return [];
  const services = [...new Set(processes.services.map(({ app }) => app))];
  const logs = await Promise.all(
    services.map(async (service) => ((await parley.logOf(service)).includes(text) ? [`log of ${service}`] : [])),
  );
  return logs.flat();
}
