import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { settings } from '#lib/runtime/config/config';
import { builtProgram } from '#lib/testing/built-program';
import { freshDatabase, type FreshPlace, freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { runCommand } from '#lib/devstack/process/commands';
import { withRealtime } from '#lib/devstack/services';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { projectRoot } from '#lib/devstack/project-root';

const stack = inject('stack');
const rows = withRealtime(2).services;
let home: string;
let database: FreshPlace;
let vhost: FreshPlace;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  home = join(await mkdtemp(join(tmpdir(), 'parley first ')), "it's 100% Đà");
  [database, vhost] = await Promise.all([freshDatabase(stack.databaseUrl), freshVhost(stack)]);
  const ports = await freePorts(rows.length);
  const portOf = ({ name }: { readonly name: string }, i: number) => [
    `PARLEY_${name.toUpperCase().replaceAll('-', '_')}_PORT`,
    String(ports[i]),
  ];
  const inherited = Object.entries(process.env).filter(([name]) => !(name in settings) && !/^(PARLEY_|VITEST)/.test(name));
  env = {
    ...Object.fromEntries(inherited),
    PARLEY_HOME: home,
    ...Object.fromEntries(rows.map(portOf)),
    DATABASE_URL: database.url,
    RABBITMQ_URL: vhost.url,
    REDIS_URL: stack.redisUrl,
    CHROMA_URL: stack.chromaUrl,
  };
});
afterAll(async () => {
  await run('stop', []);
  await Promise.all([database.drop(), vhost.drop()]);
  await rm(join(home, '..'), { recursive: true, force: true });
});

/** What npm runs, without the look for what to install and to build: `npm test` has done that. */
const run = (verb: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
  runCommand(process.execPath, [builtProgram(verb), ...args], {
    timeoutMs: 90_000,
    cwd: projectRoot,
    env: { ...env, ...more },
  });

const atOnce = <T>(items: readonly T[], work: (item: T) => Promise<void>) => Promise.all(items.map(work));

interface Status {
  readonly services: readonly { name: string; pid: number | null; ready: boolean; url: string }[];
}
const status = async () => JSON.parse((await run('status', ['--json'])).stdout) as Status;
/** A busy machine may take longer than the second that status gives each. */
const whenAllReady = () =>
  eventually(
    async () => {
      const found = await status();
      expect(found.services.map(({ name, ready }) => ({ name, ready }))).toEqual(rows.map(({ name }) => ({ name, ready: true })));
      return found;
    },
    { timeoutMs: 30_000 },
  );

/** `npm run dev -- ops`: takes the place of the service on its port, with a debugger, and gives it back when it is told to end. */
async function watchedOnce(): Promise<void> {
  const opsOf = ({ services }: Status) => services.find(({ name }) => name === 'ops');
  const before = opsOf(await status());
  const whenReady = () =>
    eventually(
      async () => {
        const found = opsOf(await status());
        expect(found).toMatchObject({ url: before?.url, ready: true });
        return found;
      },
      { timeoutMs: 30_000 },
    );
  const [inspectPort = 0] = await freePorts(1);
  const dev = spawn(process.execPath, [builtProgram('dev'), 'ops', '--inspect', String(inspectPort)], { cwd: projectRoot, env });
  let said = '';
  dev.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  try {
    await eventually(() => expect(said).toContain(`ops is ready at ${before?.url}`), { timeoutMs: 60_000 });
    const watched = await whenReady();
    expect(watched?.pid).not.toBe(before?.pid);
    expect((await run('status', [])).stdout).toContain('npm run dev');
    expect((await fetch(`http://127.0.0.1:${inspectPort}/json/version`)).status).toBe(200);
    dev.kill('SIGINT');
    await once(dev, 'close'); // with all that it has said
    expect({ code: dev.exitCode, said }).toEqual({ code: 0, said: expect.stringContaining('npm start runs ops again') });
    const after = await whenReady();
    expect(after?.pid).not.toBe(watched?.pid);
  } finally {
    dev.kill('SIGKILL');
  }
}

describe('npm start', { timeout: 240_000 }, () => {
  it('lists all that is wrong with its environment before it starts anything', async () => {
    const wrong = { DATABASE_URL: 'nonsense', PARLEY_PORT_BASE: 'abc', EMBEDDING_PROVIDER: 'ollama', AUTH_JWT_SECRET: 'change-me' };
    const { code, stdout, stderr } = await run('start', ['--detach'], wrong);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    for (const name of Object.keys(wrong).filter((each) => each !== 'EMBEDDING_PROVIDER')) expect(stderr).toContain(`  - ${name}`);
    expect(stderr).toContain('EMBEDDING_MODEL: required by EMBEDDING_PROVIDER=ollama');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('says "ready" of this run only: after its supervisor was killed the next start clears up and its own processes answer', async () => {
    expect(await run('start', ['--detach', '--realtime', '2'])).toMatchObject({ code: 0, stdout: expect.stringContaining('ready in') });
    const before = await whenAllReady();
    const supervisor = Number(/pid (\d+)/.exec((await run('status', [])).stdout)?.[1]);
    process.kill(supervisor, 'SIGKILL');
    await eventually(async () => expect((await run('status', [])).stdout).toContain('was killed'), { timeoutMs: 30_000 });

    const again = await run('start', ['--detach', '--realtime', '2']);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('an earlier run was killed') });
    for (const { url } of before.services) {
      const { reasons } = (await (await fetch(`${url}/readyz`)).json()) as { reasons: string[] };
      // On a busy machine an event loop may be late just now: it is started all the same.
      expect(reasons.filter((reason) => !reason.startsWith('event loop'))).toEqual([]);
    }
    const after = await whenAllReady();
    // What an operator sees of it fits a terminal and holds no password; what is for a program is JSON and nothing else.
    const narrow = { COLUMNS: '80', NO_COLOR: '1' };
    const looks = [['status'], ['parley', 'doctor'], ['parley', 'queues'], ['parley', 'config'], ['parley', 'in-flight']] as const;
    await atOnce(looks, async ([verb, ...args]) => {
      const { stdout, stderr } = await run(verb, args, narrow);
      const tooLong = stdout.split('\n').filter((line) => line.length > 80);
      expect({ verb, args, stderr, tooLong, hasPassword: stdout.includes(new URL(database.url).password) }).toEqual({
        verb,
        args,
        stderr: '',
        tooLong: [],
        hasPassword: false,
      });
    });
    expect((await run('status', ['--show-secrets'])).stdout).toContain(new URL(database.url).password);
    const { checks } = JSON.parse((await run('parley', ['doctor', '--json'])).stdout) as { checks: { name: string; level: string }[] };
    expect(checks.filter(({ name }) => name === 'postgres' || name === 'rabbitmq' || name === 'gateway').map(({ level }) => level)).toEqual(
      ['ok', 'ok', 'ok'],
    );
    const requestId = 'first-minute-request';
    await fetch(`${before.services[0]?.url}/v1/conversations`, { headers: { 'x-request-id': requestId } });
    await eventually(
      async () => {
        expect((await run('parley', ['logs', 'gateway', '--request', requestId])).stdout).toMatch(
          /gateway .*status=401.*requestId=first-minute/,
        );
      },
      { timeoutMs: 30_000 },
    );
    for (const { pid } of after.services) expect(before.services.map((each) => each.pid)).not.toContain(pid);
    await watchedOnce();
    expect(await run('stop', [])).toMatchObject({ code: 0, stdout: expect.stringContaining('Parley has stopped') });
    const files = await Promise.all((await readdir(join(home, 'logs'))).map((name) => readFile(join(home, 'logs', name), 'utf8')));
    expect(files.filter((text) => text.includes('\u001b'))).toEqual([]);
    const afterStop = files.flatMap((text) => text.slice(text.lastIndexOf('"message":"stopping"')).split('\n'));
    expect(afterStop.filter((line) => /"level":"(warn|error|fatal)"/.test(line))).toEqual([]);

    expect(await run('dev', ['ops'])).toMatchObject({ code: 1, stderr: expect.stringContaining('npm start (in another terminal') });
    await atOnce([['queues'], ['dlq', 'list'], ['breakers']], async (args) => {
      expect(await run('parley', args, { DATABASE_URL: '', RABBITMQ_URL: '', REDIS_URL: '', CHROMA_URL: '' })).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining('Parley is not running: npm start'),
      });
    });
    expect(await run('parley', ['reset', '--yes'])).toMatchObject({ code: 0, stdout: expect.stringContaining('removed') });
    await expect(stat(home)).rejects.toThrow('ENOENT');
  });
});
