import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { type Home, parleyHome } from '../home/home.js';
import { secretsOf } from '../home/secrets.js';
import { readState, type StackState, writeState } from '../home/state.js';
import { freePorts } from '../ports/free-ports.js';
import { isReady } from '../supervisor/is-ready.js';
import { Terminal } from '../supervisor/terminal.js';
import { ControlServer } from './control-server.js';
import { EmbeddedParley, postgresPlace } from './embedded-parley.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { HomeLock } from './home-lock.js';
import { findPostgresPackage } from './postgres-programs.js';
import { readPostmasterFile } from './postmaster-file.js';
import { stopEmbedded } from './stop-embedded.js';

/** Stands for the app: ready on both ports at once, and writes how it ended. */
const STAND_IN = `
import { createServer } from 'node:http';
import { appendFileSync } from 'node:fs';
const tell = (word) => appendFileSync(process.env.TOLD, word + '\\n');
const servers = [process.env.PORT, process.env.REALTIME_PORT].map((port) => createServer((_, response) => response.end('ready')).listen(port, '127.0.0.1'));
process.on('SIGTERM', () => { tell('drained'); process.exit(0); });
tell('started ' + (process.env.DATABASE_URL ?? '').replace(/:[^:]*@.*/, '') + ' ' + process.env.RABBITMQ_URL);
`;

/** A start anew waits a second, and takes one; for a machine with other work. */
const REVIVED = { timeoutMs: 40_000 };

describe.skipIf(findPostgresPackage() === undefined)('the process that runs the embedded mode', { timeout: 120_000 }, () => {
  let home: Home;
  let env: NodeJS.ProcessEnv;
  let told: () => string[];
  const started: EmbeddedParley[] = [];
  const newParley = () => {
    const parley: EmbeddedParley = new EmbeddedParley(home, env, new Terminal(home, true), {
      keepsTraces: false,
      entry: join(home.folder, 'stand-in.mjs'),
      stopOrdered: () => void parley.stop(),
    });
    started.push(parley);
    return parley;
  };

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'parley-home-'));
    chmodSync(folder, 0o711); // for the user that Postgres runs as when this is root
    home = parleyHome({ PARLEY_HOME: folder });
    const [gateway, realtime, postgres] = await freePorts(3);
    const file = join(folder, 'told');
    writeFileSync(join(folder, 'stand-in.mjs'), STAND_IN);
    writeFileSync(file, '');
    told = () => readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
    env = {
      ...process.env,
      PARLEY_GATEWAY_PORT: String(gateway),
      PARLEY_REALTIME_1_PORT: String(realtime),
      PARLEY_POSTGRES_PORT: String(postgres),
      TOLD: file,
      RABBITMQ_URL: 'amqp://not.used',
    };
  });
  afterEach(async () => {
    for (const each of started.splice(0)) await each.stop();
    writeFileSync(join(home.folder, 'told'), '');
  });
  afterAll(() => rmSync(home.folder, { recursive: true, force: true }));

  it('starts Postgres and the app, says where they are, refuses a second one, and stops in order when it is told to', async () => {
    const state = await newParley().start();
    expect(told()).toEqual(['started postgres://parley undefined']);
    expect(state).toMatchObject({
      phase: 'ready',
      services: [{ name: 'gateway' }, { name: 'realtime-1' }],
      dependencies: [{ name: 'postgres', origin: 'embedded' }],
    });
    for (const { url } of state.services) expect(await isReady(url)).toBe(true);
    expect((await readState(home))?.supervisor?.pid).toBe(process.pid);
    await expect(newParley().start()).rejects.toThrow(/already runs from .*PARLEY_HOME=/s);

    expect(await stopEmbedded(home, () => undefined)).toBe('parley');
    expect(told()).toEqual(['started postgres://parley undefined', 'drained']);
    expect(await readState(home)).toBeUndefined();
    expect(await stopEmbedded(home, () => undefined)).toBe('nothing');
  });

  it('starts again what dies: the app and Postgres', async () => {
    const state = await newParley().start();
    const pids = async () => {
      const found = await readState(home);
      return [found?.state.services[0]?.process?.pid, found?.state.dependencies[0]?.process?.pid];
    };
    const [app = 0, postgres = 0] = await pids();
    process.kill(app, 'SIGKILL');
    await eventually(async () => {
      const [now] = await pids();
      expect(now).toBeDefined();
      expect(now).not.toBe(app);
      expect(await isReady(state.gatewayUrl)).toBe(true);
    }, REVIVED);
    process.kill(postgres, 'SIGKILL');
    await eventually(async () => {
      const [, now] = await pids();
      expect(now).toBeDefined();
      expect(now).not.toBe(postgres);
    }, REVIVED);
  });

  it('is one of two that start at the same moment in the same home', async () => {
    const outcomes = await Promise.allSettled([newParley().start(), newParley().start()]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toMatchObject({
      message: expect.stringContaining('already runs from'),
    });
    expect((await readState(home))?.state.phase).toBe('ready');
  });

  it('leaves no record behind when it is ended at once', async () => {
    const parley = newParley();
    const state = await parley.start();
    await parley.kill();
    expect(await readState(home)).toBeUndefined();
    await eventually(async () => expect(await isReady(state.gatewayUrl)).toBe(false));
  });

  it('goes on when its record cannot be written', async () => {
    const state = await newParley().start();
    const app = state.services[0]?.process?.pid ?? 0;
    rmSync(home.stateFile);
    mkdirSync(home.stateFile);
    try {
      process.kill(app, 'SIGKILL');
      await eventually(() => expect(told()).toHaveLength(2), REVIVED);
      await eventually(async () => expect(await isReady(state.gatewayUrl)).toBe(true), REVIVED);
    } finally {
      rmSync(home.stateFile, { recursive: true });
    }
  });

  it('stops at once while an app that it starts again waits for its turn to migrate', async () => {
    const parley = newParley();
    const state = await parley.start();
    const client = new Client({ connectionString: state.dependencies[0]?.url });
    client.on('error', () => undefined); // Postgres ends before it
    await client.connect();
    await client.query('SELECT pg_advisory_lock($1)', [0x70_61_72_6c_65_79]);
    process.kill(state.services[0]?.process?.pid ?? 0, 'SIGKILL');
    await eventually(async () => {
      const { rowCount } = await client.query(`SELECT FROM pg_stat_activity WHERE application_name LIKE 'parley-migrate@%'`);
      expect(rowCount).toBe(1);
    }, REVIVED);
    const askedAt = performance.now();
    await parley.stop();
    expect(performance.now() - askedAt).toBeLessThan(20_000); // killed after 65 s when it does not hear
    expect(told()).toHaveLength(1);
    expect(await stopEmbedded(home, () => undefined)).toBe('nothing');
    await client.end().catch(() => undefined);
  });

  describe('told to stop', () => {
    const record = (embedded: StackState['embedded']): Promise<void> =>
      writeState(home, { phase: 'ready', embedded, services: [], dependencies: [] } as unknown as StackState);
    const claimed = () => {
      const lock = HomeLock.claim(home.embeddedLock);
      if (lock === undefined) throw new Error('another one has it');
      return lock;
    };

    it('while it takes no orders any more, or those of a killed one are written down, it is waited for', async () => {
      const [closed = 0] = await freePorts(1);
      await record({ url: `http://127.0.0.1:${closed}`, token: 'x' });
      const lock = claimed();
      setTimeout(() => lock.release(), 500);
      expect(await stopEmbedded(home, () => undefined)).toBe('parley');
      expect(await readState(home)).toBeUndefined();
    });

    it('and killed in the middle of that, it leaves no Postgres running', async () => {
      const place = await postgresPlace(home);
      const { postgresPassword: password } = await secretsOf(home);
      const [port = 0] = await freePorts(1);
      const postgres = new EmbeddedPostgres({ ...place, port, password, logFile: join(home.logs, 'postgres.log') });
      const lock = claimed();
      const control = new ControlServer(() => lock.release()); // as if its process had ended
      try {
        await postgres.start();
        await record(await control.start());
        expect(await stopEmbedded(home, () => undefined)).toBe('parley');
        expect(readPostmasterFile(place.folder)).toBeUndefined();
        expect(await readState(home)).toBeUndefined();
      } finally {
        control.close();
        await postgres.stop();
      }
    });
  });

  it('tells why the app does not start, with what it said, and leaves nothing running', async () => {
    writeFileSync(join(home.folder, 'stand-in.mjs'), `console.error('DATABASE_URL: wrong'); process.exit(78);`);
    const parley = newParley();
    await expect(parley.start()).rejects.toThrow(/exited with code 78 while it was starting\n.*DATABASE_URL: wrong/s);
    await parley.stop();
    expect(await stopEmbedded(home, () => undefined)).toBe('nothing');
  });
});
