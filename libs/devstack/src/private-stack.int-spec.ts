import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { ChromaClient } from 'chromadb';
import { Client } from 'pg';
import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freshDatabase, freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { startPrivateStack, type PrivateStack } from './private-stack.js';

const stack = inject('stack');

describe('the shared stack', () => {
  it('answers with all four servers', async () => {
    const redis = new Redis(stack.redisUrl, { maxRetriesPerRequest: 1 });
    expect(await redis.ping()).toBe('PONG');
    await redis.quit();
    const { hostname, port } = new URL(stack.chromaUrl);
    expect(await new ChromaClient({ host: hostname, port: Number(port), ssl: false }).heartbeat()).toBeGreaterThan(0);
  });

  it('gives each test file a database of its own, with fsync on and the extensions that the migrations need', async () => {
    const database = await freshDatabase(stack.databaseUrl);
    const client = new Client({ connectionString: database.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('create extension unaccent; create extension pg_trgm');
    expect((await client.query('show fsync')).rows).toEqual([{ fsync: 'on' }]);
    expect((await client.query("select unaccent('cà phê Đà Nẵng') as plain, lower('ĐÀ') as lower")).rows).toEqual([
      { plain: 'ca phe Da Nang', lower: 'đà' },
    ]);
    await database.drop();
    await expect(new Client({ connectionString: database.url }).connect()).rejects.toThrow('does not exist');
    await client.end().catch(() => undefined);
  });

  it('gives each test file a virtual host of its own', async () => {
    const vhost = await freshVhost(stack);
    const connection = await connect(vhost.url, { timeout: 5_000 });
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('here', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    await connection.close();
    await vhost.drop();
    await expect(connect(vhost.url, { timeout: 5_000 })).rejects.toThrow('ConnectionClose');
  });
});

describe('a private stack', () => {
  let own: PrivateStack;
  let folder: string;
  beforeAll(async () => {
    // Nothing in a path may matter: spaces, quotes, what shells and format strings expand, letters outside ASCII, length.
    const above = await mkdtemp(join(tmpdir(), 'parley-path-'));
    await chmod(above, 0o711); // Postgres' user must pass
    folder = join(above, `a b'c"d 100%s $HOME Đà Nẵng;x ${'long '.repeat(15)}`.trim());
    own = await startPrivateStack({ folder });
  });
  afterAll(async () => {
    await own?.stop();
    await rm(dirname(folder), { recursive: true, force: true });
  });

  it('works in a folder whose name has spaces, quotes, percent signs and other letters', async () => {
    const connection = await connect(own.rabbitmqUrl, { timeout: 5_000 });
    await (await connection.createConfirmChannel()).assertQueue('here', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    await connection.close();
    expect(await own.rabbitmq.rabbitmqctl(['list_queues', '--quiet', '--vhost', 'parley', 'name'])).toContain('here');
    const { hostname, port } = new URL(own.chromaUrl);
    expect(await new ChromaClient({ host: hostname, port: Number(port), ssl: false }).heartbeat()).toBeGreaterThan(0);
    expect(await readdir(folder)).toEqual(expect.arrayContaining(['chroma', 'postgres', 'rabbitmq', 'redis']));
  });

  it('writes no colours into its logs', async () => {
    // Chroma's banner has some, and no setting.
    for (const server of [own.rabbitmq, own.postgres, own.redis])
      expect(await readFile(server.logFile, 'utf8').then((text) => text.includes('\u001b['))).toBe(false);
  });

  it('has a Redis without DEBUG', async () => {
    const redis = new Redis(own.redisUrl, { maxRetriesPerRequest: 1 });
    await expect(redis.call('DEBUG', 'SLEEP', '0')).rejects.toThrow('DEBUG command not allowed');
    await redis.quit();
  });

  it('keeps port and data across a kill', async () => {
    const before = new Client({ connectionString: own.databaseUrl });
    before.on('error', () => undefined);
    await before.connect();
    await before.query('create table kept (id int); insert into kept values (1)');
    const pid = own.postgres.pid;
    await own.postgres.kill();
    expect(own.postgres.pid).toBeUndefined();
    await own.postgres.start();
    expect(own.postgres.pid).not.toBe(pid);
    const after = new Client({ connectionString: own.databaseUrl });
    await after.connect();
    expect((await after.query('select id from kept')).rows).toEqual([{ id: 1 }]);
    await after.end();
  });

  it('answers nothing while paused and goes on afterwards, in Postgres also for connections that were open before', async () => {
    const client = new Client({ connectionString: own.databaseUrl });
    await client.connect();
    await own.postgres.pause();
    const answer = client.query('select 1 as one');
    const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 200, 'silence'))]);
    expect(first).toBe('silence');
    await own.postgres.resume();
    expect((await answer).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  it('reports a server that ended without being stopped', async () => {
    const crashes: string[] = [];
    own.redis.onCrash((how) => crashes.push(how));
    process.kill(own.redis.pid ?? 0, 'SIGKILL');
    await eventually(() => expect(crashes).toEqual(['was ended by SIGKILL']));
    await own.redis.start();
    await own.redis.kill();
    await own.redis.restart();
    expect(crashes).toHaveLength(1);
  });

  it('refuses the URL of a server that it was started without', async () => {
    const empty = await startPrivateStack({ only: [] });
    expect(() => empty.chromaUrl).toThrow('without chroma');
    await empty.stop();
  });
});
