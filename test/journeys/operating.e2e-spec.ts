import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { ChromaClient, type Collection } from 'chromadb';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ConsistencyRun, ConsistencyStatus, DeadLetterDetail, DeadLetterOutcome, DeadLetterPage } from '#lib/contracts/admin';
import { newId } from '#lib/contracts/ids';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { PickyModel } from '#lib/testing/picky-model';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';

const QUEUE = 'embedding.messages';
/** The command needs no queue while there is only one; these tests must not depend on that. */
const FROM_QUEUE = ['--queue', QUEUE];
const DEAD_LETTERS = `${QUEUE}.dlq`;
const GRACE_MS = 500;

let model: PickyModel;
let parley: RunningParley;
let alice: ParleyClient;
let admin: ParleyClient;
let broker: ChannelModel;
let channel: Channel;
let home: string;

beforeAll(async () => {
  model = await PickyModel.start((text) => text.includes('poison'));
  home = await mkdtemp(join(tmpdir(), 'parley-operator-'));
  parley = await startParley({ stack: inject('stack'), env: { ...model.settings, CONSISTENCY_GRACE_MS: String(GRACE_MS) } });
  [alice, admin] = await Promise.all([parley.client('alice'), parley.client('olga', ['admin'])]);
  broker = await connect(parley.rabbitmqUrl, { timeout: 5_000 });
  channel = await broker.createChannel();
});
afterAll(async () => {
  await broker?.close();
  await parley?.stop();
  model?.stop();
  await rm(home, { recursive: true, force: true });
});

const CLI = join(projectRoot, 'dist/apps/cli/src/main.js');
const cliEnvironment = () => ({ ...parley.environment, PARLEY_HOME: home, NO_COLOR: '1' });

/** Runs `parley <args>` to its end. */
const cli = (...args: string[]) => runCommand(process.execPath, [CLI, ...args], { timeoutMs: 60_000, env: cliEnvironment() });

const letterCount = async () => (await channel.checkQueue(DEAD_LETTERS)).messageCount;
const embeddingOf = async (id: string) => (await alice.message(id)).pipeline.embedding;
const listed = async () =>
  DeadLetterPage.parse((await admin.request('GET', `/v1/admin/dead-letters?queue=${QUEUE}&limit=1000`)).body).items;
const untilFailed = (ids: readonly string[]) =>
  eventually(
    async () => {
      expect(await Promise.all(ids.map(embeddingOf))).toEqual(ids.map(() => 'failed'));
      expect(await letterCount()).toBe(ids.length);
    },
    { timeoutMs: 30_000, what: 'they are dead letters' },
  );

describe('dead letters', () => {
  it('are found, repaired and replayed: the same message is then done, and it is known who did it', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const [first, second] = [await alice.send(conversationId, 'poison for lunch'), await alice.send(conversationId, 'poison for dinner')];
    await untilFailed([first.id, second.id]);

    const items = await listed();
    expect(items).toMatchObject([
      { queue: QUEUE, type: 'message.created', conversationId, errorClass: 'TextRejected', attempts: 3, replays: 0 },
      { conversationId },
    ]);
    const [letter] = items;
    const shown = DeadLetterDetail.parse((await admin.request('GET', `/v1/admin/dead-letters/${letter?.id}`)).body);
    expect(shown.payload).toMatchObject({ eventId: letter?.id, data: { messageId: expect.stringMatching(`${first.id}|${second.id}`) } });
    expect((await alice.request('GET', '/v1/admin/dead-letters')).status).toBe(403);
    expect((await admin.request('GET', `/v1/admin/dead-letters/${newId()}`)).status).toBe(404);
    expect((await admin.request('POST', '/v1/admin/dead-letters/replay', { queue: QUEUE })).status).toBe(400);
    expect((await cli('dlq', 'list')).stdout).toContain(letter?.id);
    expect(JSON.parse((await cli('dlq', 'show', letter?.id ?? '', '--json')).stdout)).toEqual(shown);

    model.refuses = () => false;
    const dry = await admin.request('POST', '/v1/admin/dead-letters/replay', { queue: QUEUE, all: true, dryRun: true });
    expect(DeadLetterOutcome.parse(dry.body)).toMatchObject({ dryRun: true, done: 2 });
    expect(await letterCount()).toBe(2);
    const one = await admin.request('POST', '/v1/admin/dead-letters/replay', { queue: QUEUE, ids: [letter?.id] });
    expect(one).toMatchObject({ status: 200, body: { done: 1, remaining: 0, refused: [] } });
    expect(await cli('dlq', 'replay', '--all', ...FROM_QUEUE)).toMatchObject({ code: 0, stdout: expect.stringContaining('1 replayed') });

    await eventually(async () => expect(await Promise.all([first.id, second.id].map(embeddingOf))).toEqual(['done', 'done']));
    expect((await alice.search({ q: 'poison lunch', mode: 'dense', conversationId })).items).toHaveLength(2);
    expect(await letterCount()).toBe(0);
    const audit = (text: string) =>
      text
        .split('\n')
        .filter((line) => line.includes('"audit"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(audit(await parley.logOf('gateway'))).toMatchObject([
      { audit: 'dead-letters.replay', by: 'olga', queue: QUEUE, ids: [letter?.id] },
      { audit: 'dead-letters.replay', by: 'olga', done: 1 },
    ]);
    expect(audit(await readFile(join(home, 'logs/operator.log'), 'utf8'))).toMatchObject([{ all: true }, { all: true, done: 1 }]);
  });

  it('that were replayed three times are left alone unless forced, and are discarded only on purpose', async () => {
    const event = aMessageCreated();
    const properties = { messageId: event.eventId, type: event.type, headers: { 'x-replayed': 3 }, persistent: true };
    channel.sendToQueue(DEAD_LETTERS, Buffer.from(JSON.stringify(event)), properties);
    await eventually(async () => expect(await letterCount()).toBe(1));
    const refused = await admin.request('POST', '/v1/admin/dead-letters/replay', { queue: QUEUE, all: true });
    expect(refused.body).toMatchObject({
      done: 0,
      refusedCount: 1,
      refused: [{ id: event.eventId, reason: expect.stringContaining('3 times') }],
    });
    expect(await cli('dlq', 'discard', event.eventId, ...FROM_QUEUE)).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect(await letterCount()).toBe(1);
    expect(await cli('dlq', 'discard', event.eventId, '--yes', ...FROM_QUEUE)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('1 discarded'),
    });
    expect(await letterCount()).toBe(0);
  });

  it('are not lost when the process that replays them is killed, however often', async () => {
    model.refuses = (text) => text.includes('poison');
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const messages = await Promise.all(Array.from({ length: 60 }, (_, i) => alice.send(conversationId, `poison number ${i}`)));
    await untilFailed(messages.map(({ id }) => id));
    model.refuses = () => false;
    for (const left of [45, 30, 15]) {
      const child = spawn(process.execPath, [CLI, 'dlq', 'replay', '--all', '--rate', '30', ...FROM_QUEUE], {
        env: cliEnvironment(),
        stdio: 'ignore',
      });
      const ended = new Promise((resolve) => child.on('close', resolve));
      // Letters in hand do not count as waiting, so progress shows in what has become of the messages.
      await eventually(async () =>
        expect((await Promise.all(messages.map(({ id }) => embeddingOf(id)))).filter((state) => state === 'failed').length).toBeLessThan(
          left,
        ),
      );
      child.kill('SIGKILL');
      await ended;
    }
    // The broker notices the death of the connection at once, and has the rest back a moment later.
    await eventually(
      async () => {
        await cli('dlq', 'replay', '--all', ...FROM_QUEUE);
        expect(await letterCount()).toBe(0);
        expect(await Promise.all(messages.map(({ id }) => embeddingOf(id)))).toEqual(messages.map(() => 'done'));
      },
      { timeoutMs: 30_000, everyMs: 1_000 },
    );
    expect((await alice.search({ q: 'poison number', mode: 'dense', conversationId, limit: 50 })).items).toHaveLength(50);
  });
});

describe('vectors that are out of step', () => {
  it('are found, all of them and nothing else, and repaired', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const texts = [
      'all is well here',
      'the vectors of this one get lost',
      'this one is older than it should be',
      'nobody has heard of this one',
    ];
    const [fine, lost, old, unheard] = await Promise.all(texts.map((text) => alice.send(conversationId, text)));
    if (fine === undefined || lost === undefined || old === undefined || unheard === undefined) throw new Error('four were sent');
    expect((await alice.request('PATCH', `/v1/messages/${old.id}`, { content: 'this one is as new as it should be' })).status).toBe(200);
    const all = [fine, lost, old, unheard];
    await eventually(async () => expect(await Promise.all(all.map(({ id }) => embeddingOf(id)))).toEqual(all.map(() => 'done')));

    const stranger = newId();
    const collection = await collectionOf(parley);
    await collection.delete({ ids: [`${lost.id}#chunk_0`, `${unheard.id}#chunk_0`] });
    await forgetInLedger(unheard.id);
    await collection.update({ ids: [`${old.id}#chunk_0`], metadatas: [{ version: 1 }] });
    await collection.add({ ids: [`${stranger}#chunk_0`, 'put in by hand'], embeddings: [aVector(), aVector()] });

    const check = await eventually(
      async () => {
        const { code, stdout } = await cli('consistency', '--json');
        const run = ConsistencyRun.parse(JSON.parse(stdout));
        // Until the edit is older than the grace.
        expect({ code, ...run.report?.findings }).toEqual({ code: 1, unindexed: 1, missing: 1, stale: 1, orphan: 2, failed: 0 });
        return run;
      },
      { timeoutMs: 30_000 },
    );
    expect(check.report?.examples).toEqual({
      unindexed: [unheard.id],
      missing: [lost.id],
      stale: [old.id],
      orphan: expect.arrayContaining([stranger, 'put in by hand']),
      failed: [],
    });
    expect((await alice.request('GET', '/v1/admin/consistency')).status).toBe(403);
    expect(ConsistencyStatus.parse((await admin.request('GET', '/v1/admin/consistency')).body).last).toEqual(check);

    const repair = await admin.request('POST', '/v1/admin/consistency/repair');
    expect(repair).toMatchObject({ status: 202, body: { kind: 'repair', requestedBy: 'olga' } });
    const repairId = (repair.body as { id: string }).id;
    await eventually(
      async () => {
        const { last } = ConsistencyStatus.parse((await admin.request('GET', '/v1/admin/consistency')).body);
        expect(last).toMatchObject({ id: repairId, failure: null, report: { repaired: { ordered: 3, removed: 2 } } });
      },
      { timeoutMs: 20_000 },
    );
    await eventually(async () => expect(await cli('consistency')).toMatchObject({ code: 0, stdout: expect.stringContaining('in step') }), {
      timeoutMs: 30_000,
      everyMs: 500,
    });
    const { ids } = await collection.get({ ids: [`${stranger}#chunk_0`, 'put in by hand', ...all.map(({ id }) => `${id}#chunk_0`)] });
    expect(ids.toSorted()).toEqual(all.map(({ id }) => `${id}#chunk_0`).toSorted());
    expect((await alice.search({ q: 'as new as it should be', mode: 'dense', conversationId })).items[0]?.message.id).toBe(old.id);
    expect(await letterCount()).toBe(0);
  });
});

const aVector = (): number[] => Array.from({ length: 384 }, (_, i) => (i === 0 ? 1 : 0));

async function collectionOf({ chromaUrl, environment }: RunningParley): Promise<Collection> {
  const { hostname, port } = new URL(chromaUrl);
  const chroma = new ChromaClient({ host: hostname, port: Number(port), ssl: false });
  const name = (await chroma.listCollections({ limit: 1_000 }))
    .map((one) => one.name)
    .find((one) => one.includes(environment['EMBEDDING_MODEL'] ?? ''));
  return chroma.getCollection({ name: name ?? 'there is none' });
}

async function forgetInLedger(messageId: string): Promise<void> {
  const client = new Client({ connectionString: parley.databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
  await client.connect();
  try {
    await client.query('DELETE FROM message_chunks WHERE message_id = $1', [messageId]);
  } finally {
    await client.end();
  }
}
