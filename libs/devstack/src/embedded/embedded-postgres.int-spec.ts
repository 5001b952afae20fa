import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { freePorts } from '../ports/free-ports.js';
import { runCommand } from '../process/commands.js';
import { identify, isRunning } from '../process/process-identity.js';
import { projectRoot } from '../project-root.js';
import { mayEnter, unprivilegedUser } from '../process/unprivileged-user.js';
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.js';
import { readPostmasterFile } from './postmaster-file.js';
import { HomeLock } from './home-lock.js';
import { endOrphan } from './orphan.js';
import { findPostgresPackage, preparePrograms } from './postgres-programs.js';

const found = findPostgresPackage();

describe.skipIf(found === undefined)('the Postgres of the embedded mode', { timeout: 90_000 }, () => {
  let place: string;
  let options: EmbeddedPostgresOptions;
  const started: EmbeddedPostgres[] = [];
  const start = async (more: Partial<EmbeddedPostgresOptions> = {}) => {
    const postgres = new EmbeddedPostgres({ ...options, ...more });
    started.push(postgres);
    await postgres.start();
    return postgres;
  };

  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'parley-embedded-'));
    const as = await unprivilegedUser();
    const [port = 0] = await freePorts(1);
    // Above a temporary folder of root, which others may not enter.
    chmodSync(place, 0o711);
    const programs = preparePrograms(found ?? { folder: '', version: '' }, { place, mayRead: (folder) => mayEnter(folder, as) });
    options = { programs, folder: join(place, 'postgres'), port, password: 'pass:word/1', logFile: join(place, 'postgres.log'), as };
  });
  afterEach(async () => {
    for (const each of started.splice(0)) await each.stop();
  });
  afterAll(() => rmSync(place, { recursive: true, force: true }));
  const built = (name: string) => pathToFileURL(join(projectRoot, 'dist', 'libs', 'devstack', 'src', 'embedded', `${name}.js`)).href;

  it('keeps what was committed, in UTF-8, on the loopback interface, with fsync', async () => {
    const first = await start();
    await ask(first, `CREATE TABLE kept (word text); INSERT INTO kept VALUES (lower('XIN CHÀO ĐẶNG'))`);
    expect(await ask(first, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
    expect(await ask(first, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await ask(first, 'SHOW server_encoding')).toEqual([{ server_encoding: 'UTF8' }]);
    expect(await ask(first, `SELECT 'Đ' ~ '[[:alpha:]]' AS is_letter`)).toEqual([{ is_letter: true }]);
    await first.stop();
    expect(readPostmasterFile(options.folder)).toBeUndefined();
    expect(await ask(await start(), 'SELECT word FROM kept')).toEqual([{ word: 'xin chào đặng' }]);
  });

  it('has all files of a new data folder on disk before it is used', async () => {
    const [calls, initdb] = [join(place, 'calls'), join(place, 'initdb')];
    writeFileSync(calls, '');
    chmodSync(calls, 0o666);
    writeFileSync(initdb, `#!/bin/sh\necho "$@" >> '${calls}'\nexec '${options.programs.initdb}' "$@"\n`, { mode: 0o755 });
    const postgres = await start({ folder: join(place, 'new'), programs: { ...options.programs, initdb } });
    expect(await ask(postgres, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(readFileSync(calls, 'utf8').trim().split('\n').at(-1)).toBe(`--sync-only -D ${join(place, 'new')}`);
  });

  it('is started by pg_ctl where the system wants that, and ended the same way', async () => {
    const postgres = await start({ startBy: 'pg_ctl' });
    expect(await ask(postgres, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await postgres.stop();
    expect(readPostmasterFile(options.folder)).toBeUndefined();
  });

  it('tells when it has ended unasked, and starts again on the same data', async () => {
    const postgres = await start();
    await ask(postgres, `CREATE TABLE before_crash (n int); INSERT INTO before_crash VALUES (7)`);
    let told: string | undefined;
    postgres.onCrash((how) => (told = how));
    process.kill(postgres.pid ?? 0, 'SIGKILL');
    await eventually(() => expect(told).toBeDefined());
    await postgres.start();
    expect(await ask(postgres, 'SELECT n FROM before_crash')).toEqual([{ n: 7 }]);
  });

  it('is ended and started anew after kill -9 of the process that had it, whose lock is free at once', async () => {
    const { lock, pid } = await startAndKillParent();
    expect(isAlive(pid)).toBe(true);
    const claimed = HomeLock.claim(lock);
    expect(claimed).toBeDefined();
    const postgres = await start();
    await eventually(() => expect(isAlive(pid)).toBe(false)); // a moment after it has removed its file
    expect(await ask(postgres, 'SELECT word FROM survived')).toEqual([{ word: 'yes' }]);
    claimed?.release();
  });

  it.each(['ready', 'starting'])('takes no other program for what was left behind %s, although it has its number', async (status) => {
    const { pid } = await startAndKillParent();
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1e6)'], { stdio: 'ignore' });
    try {
      process.kill(pid, 'SIGKILL');
      await eventually(() => expect(isAlive(pid)).toBe(false));
      const file = join(options.folder, 'postmaster.pid');
      const [, ...rest] = readFileSync(file, 'utf8').split('\n');
      writeFileSync(file, [stranger.pid, ...rest].join('\n').replace(/ready *$/m, status));
      const postgres = await start();
      expect(await ask(postgres, 'SELECT word FROM survived')).toEqual([{ word: 'yes' }]);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('gives up the number of one that is gone before a process of ours may get it', async () => {
    const { pid } = await startAndKillParent();
    process.kill(pid, 'SIGKILL');
    await eventually(() => expect(isAlive(pid)).toBe(false));
    expect(await endOrphan({ ...options, url: 'postgres://parley:not-asked@127.0.0.1/postgres' })).toBe(false);
    const left = readPostmasterFile(options.folder);
    expect(left).toMatchObject({ port: options.port });
    expect(left?.pid).not.toBe(pid);
    expect(isAlive(left?.pid ?? 0)).toBe(false);
    expect(await ask(await start(), 'SELECT word FROM survived')).toEqual([{ word: 'yes' }]);
  });

  it('is waited for at a stop also where nothing else keeps the process alive', async () => {
    // Postgres removes its file a moment before it ends; this one takes a second for that.
    const postgres = join(place, 'slow');
    writeFileSync(postgres, `#!/bin/sh\n'${options.programs.postgres}' "$@"\nsleep 1\n`, { mode: 0o755 });
    const program = `
      const { EmbeddedPostgres } = await import(${JSON.stringify(built('embedded-postgres'))});
      const postgres = new EmbeddedPostgres(${JSON.stringify({ ...options, programs: { ...options.programs, postgres } })});
      await postgres.start();
      void postgres.stop().then(() => console.log('has stopped'));`;
    const { code, stdout } = await runCommand(process.execPath, ['--input-type=module', '-e', program], {
      timeoutMs: 60_000,
      cwd: projectRoot,
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'has stopped\n' });
  });

  it('is stopped in the first moments of its start as well, when nothing tells yet that it is there', async () => {
    await (await start()).stop();
    const [begun, slow] = [join(place, 'begun'), join(place, 'never')];
    writeFileSync(begun, '');
    chmodSync(begun, 0o666);
    writeFileSync(slow, `#!/bin/sh\necho yes >> '${begun}'\nexec sleep 300\n`, { mode: 0o755 });
    const starting = start({ programs: { ...options.programs, postgres: slow } }).catch((error: Error) => error.message);
    await eventually(() => expect(readFileSync(begun, 'utf8')).toBe('yes\n'));
    await started.at(-1)?.stop();
    expect(await starting).toContain('it was ended by SIGINT');
  });

  it('ends one that was killed before it had written down where it answers', async () => {
    const { pid } = await startAndKillParent();
    const file = join(options.folder, 'postmaster.pid');
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, `${pid}\n`);
    writeFileSync(options.logFile, '');
    const [port = 0] = await freePorts(1);
    const starting = start({ port });
    await eventually(() => expect(readFileSync(options.logFile, 'utf8')).toContain('running in data directory'));
    writeFileSync(file, whole);
    expect(await ask(await starting, 'SELECT word FROM survived')).toEqual([{ word: 'yes' }]);
    await eventually(() => expect(isAlive(pid)).toBe(false)); // a moment after it has removed its file
  });

  it('says that its port is taken, not that its password is wrong, when another Postgres has taken it', async () => {
    await start();
    const slow = join(place, 'late');
    writeFileSync(slow, `#!/bin/sh\nsleep 1\nexec '${options.programs.postgres}' "$@"\n`, { mode: 0o755 });
    const second = start({ folder: join(place, 'second'), password: 'another', programs: { ...options.programs, postgres: slow } });
    await expect(second).rejects.toThrow(/it exited with code 1\n[\s\S]*Address already in use/);
  });

  it('refuses data of another major version and leaves it as it is', async () => {
    await (await start()).stop();
    const file = join(options.folder, 'PG_VERSION');
    const version = readFileSync(file, 'utf8');
    writeFileSync(file, '17\n');
    try {
      await expect(start()).rejects.toThrow(/was made by Postgres 17, and this Parley brings Postgres 18.*Nothing was changed.*pg_dump/s);
    } finally {
      writeFileSync(file, version);
    }
    expect(await ask(await start(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('says so when secrets.json no longer has its password', async () => {
    await (await start()).stop();
    await expect(start({ password: 'another' })).rejects.toThrow(/refuses the password in secrets\.json/);
  });

  /** A process of its own that has the lock and Postgres, and is killed: Postgres stays. */
  async function startAndKillParent(): Promise<{ lock: string; pid: number }> {
    const lock = join(place, 'lock');
    const program = `
      const { EmbeddedPostgres } = await import(${JSON.stringify(built('embedded-postgres'))});
      const { HomeLock } = await import(${JSON.stringify(built('home-lock'))});
      const { Client } = (await import('pg')).default;
      globalThis.lock = HomeLock.claim(${JSON.stringify(lock)});
      const postgres = new EmbeddedPostgres(${JSON.stringify(options)});
      await postgres.start();
      const client = new Client({ connectionString: postgres.url });
      await client.connect();
      await client.query("CREATE TABLE IF NOT EXISTS survived (word text); TRUNCATE survived; INSERT INTO survived VALUES ('yes')");
      console.log(postgres.pid);
      setInterval(() => 0, 1e6);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: projectRoot,
    });
    const pid = await new Promise<number>((resolve, reject) => {
      parent.stdout.once('data', (chunk) => resolve(Number(String(chunk))));
      parent.once('exit', () => reject(new Error('it ended before it had started Postgres')));
    });
    expect(HomeLock.claim(lock)).toBeUndefined();
    expect(HomeLock.isClaimed(lock)).toBe(true);
    parent.kill('SIGKILL');
    await new Promise((gone) => parent.once('exit', gone));
    return { lock, pid };
  }
});

/** A zombie has ended: in a container there may be no process that takes note of it. */
function isAlive(pid: number): boolean {
  const identity = identify(pid);
  return identity !== undefined && isRunning(identity);
}

async function ask(postgres: EmbeddedPostgres, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  try {
    return (await client.query(statement)).rows as unknown[];
  } finally {
    await client.end();
  }
}
