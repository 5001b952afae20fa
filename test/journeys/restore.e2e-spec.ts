import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { serverProgram } from '#lib/devstack/provisioning/provisioning';
import { rabbitmqPasswordsFor, rolePasswordsFor } from '#lib/devstack/servers/service-logins';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { type JournalEntry, SendJournal, SteadyLoad } from '#lib/testing/send-journal';

const VHOST = 'parley_restored';
const GRACE_MS = 500;
const LONG = { timeoutMs: 60_000, everyMs: 200 };

let folder: string;
let stack: PrivateStack;
let fresh: PrivateStack;
let before: RunningParley;
let after: RunningParley | undefined;
let steps: string[];

const ended = (conversationId: string) => ({
  conversationId,
  userId: 'alice',
  startTime: '2026-01-31T09:00:00Z',
  endTime: '2026-01-31T09:30:00Z',
  conversationLog: Array.from({ length: 12 }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'bot',
    content: `I love our talks, number ${i}?`,
  })),
});

/** The commands of the runbook, in their order, as an operator would paste them. */
async function commandsOf(page: string): Promise<string[]> {
  const text = await readFile(join(projectRoot, 'docs', 'operate', page), 'utf8');
  return [...text.matchAll(/^( *)```sh\n([\s\S]*?)^ *```$/gm)].map(([, indent = '', body = '']) =>
    body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

/** Runs one block of the page with just these variables. */
const paste = (block: string, env: NodeJS.ProcessEnv) =>
  runOrThrow('/bin/sh', ['-euc', block], {
    timeoutMs: 100_000,
    cwd: projectRoot,
    env: {
      HOME: folder,
      PARLEY_HOME: folder,
      PATH: [dirname(process.execPath), serverProgram('postgres'), process.env['PATH'] ?? ''].join(delimiter),
      ...env,
    },
  });

async function rowsOf(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url, query_timeout: 10_000 });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-restore-'));
  [stack, fresh, steps] = await Promise.all([
    startPrivateStack(),
    startPrivateStack({ only: ['postgres'] }),
    commandsOf('backup-and-restore.md'),
  ]);
  const env = { OBJECT_STORE_URL: pathToFileURL(join(folder, 'objects')).href, CONSISTENCY_GRACE_MS: String(GRACE_MS) };
  before = await startParley({ stack, env });
}, 240_000);
afterAll(async () => {
  await Promise.all([before?.stop(), after?.stop()]);
  await Promise.all([stack?.stop(), fresh?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

describe('a Parley that is restored by the commands of docs/operate/backup-and-restore.md', () => {
  const journal = new SendJournal();
  /** What was sent from shortly before the backup until long after it, one message after the other. */
  const late = new SendJournal();
  let lateBefore: number;
  let lateKey: JournalEntry;
  /** What the backup has. */
  let restored: readonly JournalEntry[];
  let documentId: string;
  let jobId: string;
  let score: unknown;
  const restoredUrl = () => {
    const url = new URL(fresh.databaseUrl);
    url.pathname = '/parley_restored';
    return url.href;
  };

  it('is backed up under load, with events still in RabbitMQ, and goes on for a while', async () => {
    const [alice, bob] = await Promise.all([before.client('alice'), before.client('bob')]);
    const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
    await journal.send(alice, conversationId, 'The zeppelin lands behind the lighthouse');
    const upload = await alice.request('POST', '/v1/documents', {
      conversationId,
      title: 'Rules',
      content: 'Submarines wait in the harbour.',
    });
    documentId = (upload.body as { id: string }).id;
    await alice.request('POST', '/v1/conversations/end', ended('robot-1'));
    await eventually(async () => {
      score = (await alice.request('GET', '/v1/friendship_status/alice')).body;
      expect(score).toMatchObject({ score: expect.any(Number) });
      expect((score as { version?: number; score: number }).score).toBeGreaterThan(0);
    }, LONG);
    await eventually(
      async () => expect((await alice.request('GET', `/v1/documents/${documentId}`)).body).toMatchObject({ state: 'done' }),
      LONG,
    );

    // What is sent from here on is stored, published, and handled by no process before the backup is made.
    await Promise.all([before.scoring.stop(), before.delivery.stop()]);
    await alice.request('POST', '/v1/conversations/end', ended('robot-2'));
    const asked = await alice.request('POST', '/v1/friendship_status/calculate-score-and-update', {
      conversationId: 'robot-2',
      userId: 'alice',
    });
    expect(asked).toMatchObject({ status: 202 });
    jobId = (asked.body as { jobId: string }).jobId;
    for (let i = 0; i < 20; i++) await journal.send(bob, conversationId, `before the backup, number ${i}`);
    const waiting = () => rowsOf(before.databaseUrl, 'SELECT count(*)::int AS waiting FROM outbox');
    await eventually(async () => expect(await waiting()).toEqual([{ waiting: 0 }]), LONG);

    const load = new SteadyLoad({ journal: late, clients: [alice], conversationIds: [conversationId], pauseMs: 20 });
    const acknowledgeMore = async (count: number) => {
      const wanted = late.acknowledged.length + count;
      await eventually(() => expect(late.acknowledged.length).toBeGreaterThanOrEqual(wanted), LONG);
    };
    await acknowledgeMore(5);
    lateBefore = late.acknowledged.length;
    await paste(steps[0] ?? '', { DATABASE_URL: before.databaseUrl, OBJECTS: join(folder, 'objects'), BACKUP: join(folder, 'backup') });
    await acknowledgeMore(30);
    await load.stop();
    const last = late.acknowledged.at(-1);
    if (last === undefined) throw new Error('nothing was sent after the backup');
    lateKey = last;
    await eventually(async () => expect((await alice.message(last.acknowledged?.id ?? '')).pipeline.embedding).toBe('done'), LONG);
    await before.stop();
    await rm(join(folder, 'objects'), { recursive: true });
  }, 120_000);

  it('starts on a new Postgres and empty queues', async () => {
    const [, postgres = '', objects = '', rabbitmq = ''] = steps;
    const env = {
      SERVER_URL: fresh.databaseUrl,
      DATABASE_URL: restoredUrl(),
      DATABASE: 'parley_restored',
      BACKUP: join(folder, 'backup'),
      OBJECTS: join(folder, 'objects'),
      // What `ops migrate` has anyway.
      DB_ROLE_PASSWORDS: rolePasswordsFor(restoredUrl()),
      RABBITMQ_URL: stack.rabbitmqUrl,
      CHROMA_URL: stack.chromaUrl,
    };
    const { stdout } = await paste(postgres, env);
    expect(stdout).toMatch(/conversation\.ended +\| +1\n/);
    expect(Number(/message\.created +\| +(\d+)\n/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(20 + lateBefore);
    expect(stdout).toMatch(/score\.calculate +\| +1\n/);
    await paste(objects, env);
    await paste(rabbitmq, {
      VHOST,
      RABBITMQ_MANAGEMENT_URL: stack.rabbitmqManagementUrl,
      ...rabbitmqPasswordsFor(stack.rabbitmqManagementUrl),
    });
    await stack.redis.restart();
    const vhost = new URL(stack.rabbitmqUrl);
    vhost.pathname = `/${VHOST}`;
    const drop = () => Promise.resolve();
    after = await startParley({
      stack,
      places: { database: { url: restoredUrl(), drop }, vhost: { url: vhost.href, name: VHOST, drop } },
      env: { OBJECT_STORE_URL: pathToFileURL(join(folder, 'objects')).href, CONSISTENCY_GRACE_MS: String(GRACE_MS) },
    });
  }, 120_000);

  const repairUntilInStep = async () => {
    const repair = steps[4] ?? '';
    await eventually(
      async () => {
        await paste(repair, after?.environment ?? {});
        await paste('docker/run cli consistency', after?.environment ?? {});
      },
      { timeoutMs: 90_000, everyMs: 500, what: 'messages and vectors are in step' },
    );
  };

  it('has every message of the backup, without a gap, delivered and with its vectors, and none of those after it', async () => {
    await repairUntilInStep();
    if (after === undefined) throw new Error('it did not start');
    const parley = after;
    const alice = await parley.client('alice');
    const { items, headSeq } = await alice.messages(lateKey.conversationId, { limit: 200 });
    // All that was acknowledged before the backup, and of what was sent meanwhile the first.
    restored = [...journal.entries, ...late.entries.slice(0, headSeq - journal.entries.length)];
    expect(headSeq).toBe(restored.length);
    expect(headSeq).toBeGreaterThanOrEqual(journal.entries.length + lateBefore);
    expect(restored).not.toContain(lateKey);
    expect(items.map(({ content }) => content)).toEqual(restored.map(({ content }) => content));
    // The checker knows no documents: their vectors are strays to it.
    const [part] = await rowsOf(restoredUrl(), 'SELECT id FROM document_parts');
    const expected = { ...consistent, strayVectors: [`chunks of ${String(part?.['id'])}, which is not stored`] };
    await eventually(async () => expect(await checkConsistency(parley, restored)).toEqual(expected), LONG);
  }, 120_000);

  it('finishes what was under way: the job, the score of the ended conversation, its log', async () => {
    const alice = await (after as RunningParley).client('alice');
    await eventually(async () => expect((await alice.request('GET', `/v1/jobs/${jobId}`)).body).toMatchObject({ status: 'done' }), LONG);
    const { body: history } = await alice.request('GET', '/v1/friendship_status/alice/history');
    expect(JSON.stringify(history)).toContain('robot-2');
    expect((await alice.request('GET', '/v1/friendship_status/alice')).body).not.toEqual(score);
    const left = 'SELECT (SELECT count(*)::int FROM outbox) AS outbox, (SELECT count(*)::int FROM conversation_logs) AS logs';
    await eventually(async () => expect(await rowsOf(restoredUrl(), left)).toEqual([{ outbox: 0, logs: 0 }]), LONG);
  }, 120_000);

  it('answers an old key with the old message, stores a lost one again, and numbers new ones after the restored', async () => {
    const parley = after as RunningParley;
    const alice = await parley.client('alice');
    const [first] = journal.entries;
    const replayed = await alice.send(first?.conversationId ?? '', first?.content ?? '', first?.key);
    expect({ id: replayed.id, seq: replayed.seq }).toEqual(first?.acknowledged);
    const head = restored.length;
    const again = await alice.send(lateKey.conversationId, lateKey.content, lateKey.key);
    expect(again.seq).toBe(head + 1);
    const seqs = (await alice.messages(lateKey.conversationId, { limit: 200 })).items.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  });

  it('finds messages and documents by words and by meaning, also after Chroma was emptied', async () => {
    const parley = after as RunningParley;
    const alice = await parley.client('alice');
    const finds = async () => {
      for (const mode of ['sparse', 'dense'] as const) {
        const { items } = await alice.search({ q: 'zeppelin lighthouse', mode });
        expect({ mode, first: items[0]?.message.content }).toEqual({ mode, first: 'The zeppelin lands behind the lighthouse' });
      }
      const { items } = await alice.search({ q: 'submarines in the harbour', mode: 'dense' });
      expect(JSON.stringify(items[0])).toContain('Submarines wait');
    };
    await eventually(finds, LONG);
    const collections = (await (
      await fetch(`${stack.chromaUrl}/api/v2/tenants/default_tenant/databases/default_database/collections`)
    ).json()) as { name: string }[];
    for (const { name } of collections)
      await fetch(`${stack.chromaUrl}/api/v2/tenants/default_tenant/databases/default_database/collections/${name}`, { method: 'DELETE' });
    expect(collections.length).toBeGreaterThan(0);
    await repairUntilInStep();
    await eventually(finds, LONG);
  }, 120_000);
});
