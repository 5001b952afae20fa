import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { pipeline } from '#lib/contracts/pipeline';
import { ServerFrame } from '#lib/contracts/socket';
import { builtProgram } from '#lib/testing/built-program';
import { eventually } from '#lib/testing/eventually';
import { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';

let parley: RunningParley;
let home: string; // empty: what a developer runs beside the tests must not be found

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'parley-home-'));
  parley = await startParley({ stack: inject('stack'), env: { RATE_LIMIT_PER_USER: '5' } });
});
afterAll(async () => {
  await parley?.stop();
  await rm(home, { recursive: true, force: true });
});

/** A command takes a second, the demo twenty; for a machine with other work. */
const RUN_WITHIN_MS = 110_000;
/** Until a command that goes on and on has begun. */
const BEGUN = { timeoutMs: 40_000 };

const run = (script: 'parley' | 'demo', ...args: (string | NodeJS.ProcessEnv)[]) =>
  runCommand(process.execPath, [builtProgram(script), ...args.filter((arg) => typeof arg === 'string')], {
    timeoutMs: RUN_WITHIN_MS,
    cwd: projectRoot,
    env: { ...parley.environment, PARLEY_HOME: home, ...args.find((arg) => typeof arg === 'object') },
  });

describe('npm run parley', () => {
  it('mints a token that the gateway takes, and prints nothing else', async () => {
    const { code, stdout, stderr } = await run('parley', 'token', '--user', 'operator', '--ttl', '5m');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const conversation = await new ParleyClient(parley.url, stdout.trim()).createConversation({ memberIds: [] });
    expect(conversation.memberIds).toEqual(['operator']);
  });

  it('shows the queues, the configuration without its secrets, and that the schema is up to date', async () => {
    // On a busy machine a dependency may have been too slow for a moment, and a queue waits for it.
    await eventually(
      async () => {
        const queues = await run('parley', 'queues', '--json');
        expect(JSON.parse(queues.stdout)).toMatchObject({
          items: Object.keys(pipeline).map((name) => ({ name, paused: false, oldestAgeSeconds: 0, unknown: false })),
          unknownQueues: 0,
          publishing: [],
          others: 'asked',
        });
      },
      { timeoutMs: 40_000 },
    );
    const table = await run('parley', 'queues');
    expect(Math.max(...table.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    const config = await run('parley', 'config', '--json');
    expect(JSON.parse(config.stdout)).toMatchObject({
      AUTH_JWT_SECRET: { value: '***', from: 'environment' },
      DATABASE_URL: { value: expect.stringContaining('***:***@'), from: 'environment' },
      LOG_LEVEL: { value: 'info', from: 'default' },
    });
    const migrate = await run('parley', 'migrate', '--json');
    expect({ ...migrate, stdout: JSON.parse(migrate.stdout) }).toMatchObject({ code: 0, stdout: { migrations: [] } });
  });

  it('shows what every process has in hand, and its breakers', async () => {
    const inFlight = await run('parley', 'in-flight', '--json', '--url', parley.url);
    expect(JSON.parse(inFlight.stdout)).toMatchObject({
      items: [
        { app: 'delivery', pid: parley.delivery.pid, silent: false },
        { app: 'embedding', pid: parley.embedding.pid, silent: false },
        { app: 'gateway', pid: parley.gateway.pid, silent: false, work: { items: [{ what: 'GET /v1/admin/in-flight' }] } },
        { app: 'ops', pid: parley.ops.pid, silent: false },
        { app: 'realtime', pid: parley.realtime.pid, silent: false },
        { app: 'scoring', pid: parley.scoring.pid, silent: false },
      ],
      others: 'asked',
      lockWaits: [],
    });
    expect(await run('parley', 'in-flight', '--url', parley.url)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('postgres.sends'),
    });
    const breakers = await run('parley', 'breakers', '--json', '--url', parley.url);
    expect(JSON.parse(breakers.stdout)).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ dependency: 'postgres', operation: 'sends', state: 'closed' })]),
    });
    expect(await run('parley', 'breakers', '--url', 'http://127.0.0.1:2')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not answer'),
    });
  });

  it('shows what a device of a user hears, until Ctrl-C, and says why it cannot', async () => {
    const args = [builtProgram('parley'), 'listen', '--user', 'bob', '--json', '--url', parley.realtime.url];
    const listening = spawn(process.execPath, args, { cwd: projectRoot, env: { ...parley.environment, PARLEY_HOME: home } });
    let said = '';
    listening.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    try {
      await eventually(() => expect(said).toContain('"type":"welcome"'), BEGUN);
      const alice = await parley.client('alice');
      const { id } = await alice.createConversation({ memberIds: ['bob'] });
      await alice.send(id, 'can you hear me?');
      await eventually(() => expect(said).toContain('can you hear me?'), BEGUN);
      listening.kill('SIGINT');
      await once(listening, 'close'); // with all that it has said
      expect(listening.exitCode).toBe(0);
      for (const line of said.trim().split('\n')) expect(ServerFrame.safeParse(JSON.parse(line)).error).toBeUndefined();
    } finally {
      listening.kill('SIGKILL');
    }
    const forged = { AUTH_JWT_SECRET: 'a secret that this Parley does not have, long enough' };
    expect(await run('parley', 'listen', '--user', 'bob', '--url', parley.realtime.url, forged)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('4401'),
    });
    expect(await run('parley', 'listen', '--user', 'bob')).toMatchObject({ code: 1, stderr: expect.stringContaining('npm start') });
  });

  it('scores a user again whose messages changed since, and only says so in a dry run', async () => {
    const carol = await parley.client('carol');
    const { id } = await carol.createConversation({ memberIds: [] });
    const message = await carol.send(id, 'I like the mountains.');
    const now = new Date().toISOString();
    const end = { conversationId: id, userId: 'carol', startTime: now, endTime: now };
    expect(await carol.request('POST', '/v1/conversations/end', end)).toMatchObject({ status: 202 });
    const history = async () => {
      const { body } = await carol.request('GET', '/v1/friendship_status/carol/history');
      return (body as { items: unknown[] }).items;
    };
    await eventually(async () => expect(await history()).toMatchObject([{ revision: 1, userQuestions: 0 }]), { timeoutMs: 20_000 });
    const question = { content: 'Do you like the mountains?' };
    const edit = await carol.request('PATCH', `/v1/messages/${message.id}`, question, { 'if-match': '"1"' });
    expect(edit.status).toBe(200);

    const foreseen = await run('parley', 'rescore', '--all', '--dry-run', '--json');
    expect(JSON.parse(foreseen.stdout)).toEqual({ users: 1, ends: 1, expectedSeconds: 0, isDryRun: true });
    const enqueued = await run('parley', 'rescore', '--user', 'carol', '--json');
    expect(JSON.parse(enqueued.stdout)).toEqual({ users: 1, ends: 1, expectedSeconds: 0, isDryRun: false });
    await eventually(
      async () => expect(await history()).toMatchObject([{ revision: 2, userQuestions: 1, scoreChange: 2 }, { revision: 1 }]),
      { timeoutMs: 20_000 },
    );
    const nothing = await run('parley', 'rescore', '--all');
    expect(nothing).toMatchObject({ code: 0, stdout: expect.stringContaining('no user') });
    expect(await run('parley', 'rescore')).toMatchObject({ code: 2, stderr: expect.stringContaining('--all') });
    const unknown = await run('parley', 'rescore', '--user', 'dave');
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('"dave" has ended no conversation') });
  });

  it('says what is wrong and how to put it right', async () => {
    expect(await run('parley', 'token')).toMatchObject({ code: 2, stderr: expect.stringContaining('--user') });
    expect(await run('parley', 'token', '--user', 'two words')).toMatchObject({ code: 2, stdout: '' });
    expect(await run('demo')).toMatchObject({ code: 1, stderr: expect.stringContaining('npm start') });
    expect(await run('demo', '--url', parley.url.replace(/\d+$/, '2'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no Parley answers at'),
    });
    expect(await run('demo', '--url', parley.url)).toMatchObject({ code: 2, stderr: expect.stringContaining('--realtime') });
  });
});

describe('npm run demo', () => {
  it('plays the conversation live, within the rate limits of its users; every message becomes searchable, and its end is scored', async () => {
    const { code, stdout } = await run('demo', '--url', parley.url, '--realtime', parley.realtime.url, '--json');
    const { messages, searches, summary, outage, receipts, end } = JSON.parse(stdout);
    expect({ code, summary }).toMatchObject({
      code: 0,
      summary: {
        messages: {
          accepted: messages.length,
          searchable: messages.length,
          signals: messages.length,
          failed: 0,
          pending: 0,
          sockets: 4,
          complete: 4,
        },
      },
    });
    expect(messages.map(({ seq }: { seq: number }) => seq)).toEqual(messages.map((_: unknown, i: number) => i + 1));
    // One person lost the connection for some messages and has all of them.
    expect(outage).toMatchObject({ isWhole: true, resumedAfterMs: expect.any(Number) });
    expect(outage.seqAfter).toBeGreaterThan(outage.seqBefore);
    expect(receipts.map(({ readSeq }: { readSeq: number }) => readSeq)).toEqual([32, 32, 32, 27]);
    expect(receipts.at(-1)).toMatchObject({ unread: 4, seenLive: 27 });
    expect(searches.filter(({ results }: { results: { items: unknown[] } }) => results.items.length === 0)).toEqual([]);
    const { score, level, version } = end.frame;
    expect(end).toMatchObject({
      user: 'linh',
      scoredMs: expect.any(Number),
      before: { score: 0, level: 'stranger', version: 0 },
      frame: { userId: 'linh', degraded: false },
      change: { score, level, version, reasons: expect.arrayContaining([expect.stringContaining('8 turns')]) },
      suggestion: { userId: 'linh', level, degraded: false },
    });
    expect(score).toBeGreaterThan(0);
    expect(end.suggestion.candidates.length).toBeGreaterThan(0);
  });

  it('breaks nothing but private servers of the Parley that runs here', async () => {
    expect(await run('demo', '--break', 'postgres')).toMatchObject({ code: 2, stderr: expect.stringContaining('chroma, rabbitmq, redis') });
    expect(await run('demo', '--break', 'chroma', '--url', parley.url)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('leave out --url'),
    });
    expect(await run('demo', '--break', 'chroma')).toMatchObject({ code: 1, stderr: expect.stringContaining('npm start') });
  });

  it('is readable where there is no terminal', async () => {
    const { code, stdout } = await run('demo', '--url', parley.url, '--realtime', parley.realtime.url);
    expect({ code, hasControlCharacters: /[\u001b\r]/.test(stdout) }).toEqual({ code: 0, hasControlCharacters: false });
    expect(stdout).toMatch(/score\.updated over the socket .* later: linh \+\d+, \d+ → \d+/);
    expect(stdout).toMatch(/^ {2}\+8: 8 turns of the user$/m);
    expect(stdout).toMatch(/^Next, for an? \w+: "/m);
    expect(stdout).toContain(`${parley.url}/docs`);
    expect(stdout).toMatch(/TOKEN='[^']+'/);
  });
});
