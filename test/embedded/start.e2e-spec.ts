import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findPostgresPackage } from '#lib/devstack/embedded/postgres-programs';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { runCommand } from '#lib/devstack/process/commands';
import { identify, isRunning } from '#lib/devstack/process/process-identity';
import { projectRoot } from '#lib/devstack/project-root';
import { withoutSettings } from '#lib/devstack/supervisor/service-environment';
import { builtProgram } from '#lib/testing/built-program';
import { eventually } from '#lib/testing/eventually';

const STARTED = { timeoutMs: 90_000, everyMs: 50 };
/** Nothing is in hand: a drain, a shutdown of Postgres, and what a busy machine adds. The promise is 60 s. */
const ENDS_WITHIN_MS = 30_000;

/** A start takes 5 s, a stop 1 s, and a test has two or three of each: for a machine that is ten times as slow. */
const TEST_WITHIN_MS = 240_000;

describe.skipIf(findPostgresPackage() === undefined)('npm start -- --embedded', { timeout: TEST_WITHIN_MS }, () => {
  let home: string;
  let env: NodeJS.ProcessEnv;
  const started: ChildProcess[] = [];

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'parley-start-'));
    chmodSync(home, 0o711); // for the user that Postgres runs as when this is root
    const [gateway, realtime, postgres] = await freePorts(3);
    env = {
      ...withoutSettings(process.env),
      PARLEY_HOME: home,
      PARLEY_GATEWAY_PORT: String(gateway),
      PARLEY_REALTIME_1_PORT: String(realtime),
      PARLEY_POSTGRES_PORT: String(postgres),
      NO_COLOR: '1',
    };
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    await run('stop');
    rmSync(home, { recursive: true, force: true });
  }, TEST_WITHIN_MS);

  /** What npm runs, without its look for what to install and to build: `npm test` has done that. */
  const run = (verb: string, ...args: string[]) =>
    runCommand(process.execPath, [builtProgram(verb), ...args], { timeoutMs: 90_000, cwd: projectRoot, env });
  /** In the foreground, as in a terminal. */
  const inForeground = () => {
    const child = spawn(process.execPath, [builtProgram('start'), '--embedded'], {
      cwd: projectRoot,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(child);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const says = (text: string) => eventually(() => expect(said).toContain(text), STARTED);
    /** @returns how it ended, and in how many milliseconds. */
    const endBy = async (signal: NodeJS.Signals) => {
      const askedAt = performance.now();
      const ended = once(child, 'close'); // with all that it has said
      child.kill(signal);
      const [code] = (await ended) as [number | null];
      return { code, tookMs: performance.now() - askedAt };
    };
    return { said: () => said, says, endBy };
  };
  const state = () =>
    JSON.parse(readFileSync(join(home, 'state.json'), 'utf8')) as {
      gatewayUrl: string;
      supervisor: { pid: number };
      services: { process: { pid: number } }[];
      dependencies: { url: string; process: { pid: number } }[];
    };
  const pids = () => [state().services[0], state().dependencies[0]].map((each) => each?.process.pid ?? 0);
  const running = (all: readonly number[]) => all.filter(isAlive);

  it('says what it is and where, sends a first message when its lines are pasted, and refuses a second start', async () => {
    const first = inForeground();
    await first.says('Ctrl-C stops it.');
    expect(first.said()).toMatch(/embedded mode.*not here are several nodes, rolling updates and the RabbitMQ UI/);
    expect(first.said()).toMatch(/queues, vectors[ │]+inside of the process[ │]+kept in postgres/);
    expect(first.said()).toContain(` ${state().gatewayUrl}/v1/health `); // whole, so that it can be copied from a terminal of 80 columns
    const lines = /paste into a shell\):\n([\s\S]+?)\n\n/.exec(first.said())?.[1] ?? '';
    const pasted = await runCommand('sh', ['-c', lines], { timeoutMs: 60_000 });
    const [sent, found] = pasted.stdout.trim().split('\n');
    expect(sent).toContain('"content":"Hello Bob, shall we have coffee?"');
    expect(found).toContain('shall we have coffee?');

    const second = await run('start', '--embedded');
    expect(second).toMatchObject({ code: 1, stdout: expect.stringContaining(`already runs from ${home} (pid ${state().supervisor.pid}`) });

    const own = pids();
    expect(running(own)).toEqual(own);
    const { code, tookMs } = await first.endBy('SIGINT');
    expect({ code, said: first.said() }).toEqual({ code: 130, said: expect.stringContaining('everything has stopped') });
    expect(tookMs).toBeLessThan(ENDS_WITHIN_MS);
    expect(running(own)).toEqual([]);
    expect(existsSync(join(home, 'state.json'))).toBe(false);
  });

  it('leaves only Postgres behind after kill -9, which npm stop ends', async () => {
    expect(await run('start', '--embedded', '--detach')).toMatchObject({ code: 0 });
    const [app = 0, postgres = 0] = pids();
    process.kill(state().supervisor.pid, 'SIGKILL');
    await eventually(() => expect(isAlive(app)).toBe(false), { timeoutMs: 30_000 });
    expect(isAlive(postgres)).toBe(true);
    const stopped = await run('stop');
    expect(stopped).toMatchObject({ code: 0, stdout: expect.stringContaining('postgres, left behind by a run that was killed') });
    // It removes its file, by which pg_ctl goes, a moment before it ends.
    await eventually(() => expect(isAlive(postgres)).toBe(false));
    expect((await run('stop')).stdout).toBe('Parley is not running.\n');
  });

  it('stops in the middle of its start as well, without going on with it', async () => {
    expect(await run('start', '--embedded', '--detach')).toMatchObject({ code: 0 });
    await holdMigrations(state().dependencies[0]?.url);
    expect(await run('stop')).toMatchObject({ code: 0, stdout: 'Parley has stopped.\n' });
    const start = inForeground();
    await start.says('postgres is ready');
    const own = await eventually(() => {
      expect(pids()).not.toContain(0);
      return pids();
    }, STARTED);
    const { code, tookMs } = await start.endBy('SIGTERM');
    expect({ code, said: start.said() }).toEqual({ code: 0, said: expect.stringContaining('everything has stopped') });
    expect(start.said()).not.toContain('are ready in one process');
    expect(tookMs).toBeLessThan(ENDS_WITHIN_MS);
    expect(running(own)).toEqual([]);
  });
});

/** From now on Postgres lets a migration connect only after ten minutes: a start gets no further than that. */
async function holdMigrations(url: string | undefined): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`
      CREATE FUNCTION hold_migration() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('application_name') LIKE 'parley-migrate@%' THEN PERFORM pg_sleep(600); END IF;
      END $$;
      CREATE EVENT TRIGGER hold_migration ON login EXECUTE FUNCTION hold_migration()`);
  } finally {
    await client.end();
  }
}

/** A zombie has ended: in a container there may be no process that takes note of it. */
function isAlive(pid: number): boolean {
  const identity = identify(pid);
  return identity !== undefined && isRunning(identity);
}
