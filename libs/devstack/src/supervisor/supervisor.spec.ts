import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { HomeLock } from '../embedded/home-lock.js';
import { lockHolder } from '../process/lock-file.js';
import { identify, isRunning, toPidFile } from '../process/process-identity.js';
import { freePorts } from '../ports/free-ports.js';
import { type Home, parleyHome } from '../home/home.js';
import { findLeftovers, serviceRunFolder, stopLeftovers } from '../home/leftovers.js';
import type { Processes } from '../services.js';
import { readState, writeState } from '../home/state.js';
import { borrowService } from '../dev/borrowed-service.js';
import { loanFile } from './lending.js';
import { Supervisor } from './supervisor.js';
import { Terminal } from './terminal.js';

/** A process as Parley's are, from outside: `migrate` ends, the rest serves `/readyz` until SIGTERM. `/crash` ends it at once. */
const APP = `
  const { createServer } = require('node:http');
  if (process.argv[2] === 'migrate') { console.log('migrated ' + process.env.DATABASE_URL); process.exit(Number(process.env.MIGRATION_CODE ?? 0)); }
  if (process.env.BROKEN === __filename) { console.error('Configuration: X is bad'); process.exit(78); }
  createServer((request, response) => { if (request.url === '/crash') process.exit(9); response.end('ok'); }).listen(Number(process.env.PORT), '127.0.0.1');
  process.on('SIGTERM', () => { console.log(JSON.stringify({ level: 'info', message: 'drained' })); process.exit(0); });
`;

const borrowing = { tell: () => undefined, cancelled: new AbortController().signal };

describe('the supervisor', { timeout: 30_000 }, () => {
  let folder: string;
  let home: Home;
  let somewhere: Server[];
  let env: NodeJS.ProcessEnv;
  let processes: Processes;
  let supervisors: Supervisor[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-supervisor-'));
    home = parleyHome({ PARLEY_HOME: join(folder, 'home') });
    somewhere = await Promise.all(['postgres', 'rabbitmq', 'redis', 'chroma'].map(listening));
    const [gateway = 0, ops = 0] = await freePorts(2);
    const [postgres, rabbitmq, redis, chroma] = somewhere.map(portOf);
    env = {
      PATH: process.env['PATH'],
      DATABASE_URL: `postgres://127.0.0.1:${postgres}/x`,
      RABBITMQ_URL: `amqp://127.0.0.1:${rabbitmq}`,
      REDIS_URL: `redis://127.0.0.1:${redis}`,
      CHROMA_URL: `http://127.0.0.1:${chroma}`,
      PARLEY_GATEWAY_PORT: String(gateway),
      PARLEY_OPS_PORT: String(ops),
    };
    for (const name of ['gateway.cjs', 'ops.cjs']) writeFileSync(join(folder, name), APP);
    processes = {
      services: [
        { name: 'gateway', app: 'gateway', entry: join(folder, 'gateway.cjs'), portOffset: 0, stopWithinMs: 5_000 },
        { name: 'ops', app: 'ops', entry: join(folder, 'ops.cjs'), portOffset: 3, stopWithinMs: 5_000 },
      ],
      migration: { entry: join(folder, 'ops.cjs'), args: ['migrate'], timeoutMs: 10_000 },
    };
    supervisors = [];
  });

  afterEach(async () => {
    for (const each of supervisors) await each.stop();
    for (const server of somewhere) server.close();
    rmSync(folder, { recursive: true });
  });

  function supervisor(more: NodeJS.ProcessEnv = {}): { it: Supervisor; said: () => string } {
    const terminal = new Terminal(home, true);
    const made = new Supervisor(home, processes, { ...env, ...more }, terminal);
    supervisors.push(made);
    return {
      it: made,
      said: () => {
        terminal.flush();
        return readFileSync(join(home.logs, 'parley.log'), 'utf8');
      },
    };
  }

  it('migrates, starts everything, records it, and leaves nothing behind', async () => {
    const { it: one } = supervisor();
    const state = await one.start();
    expect(state.phase).toBe('ready');
    expect(state.dependencies.map(({ name, origin }) => `${name} ${origin}`)).toEqual([
      'postgres env',
      'rabbitmq env',
      'redis env',
      'chroma env',
    ]);
    expect(state.environment['DATABASE_URL']).toBe(env['DATABASE_URL']);
    expect(state.environment['DB_POOL_BUDGET_PROCESSES']).toBe('2'); // of the two services, for the migration to compare with Postgres
    expect((state.environment['AUTH_JWT_SECRET'] ?? '').length).toBeGreaterThanOrEqual(32);
    expect(await (await fetch(`${state.gatewayUrl}/readyz`)).text()).toBe('ok');
    expect((await readState(home))?.supervisor?.pid).toBe(process.pid);
    const running = state.services.map(({ process: each }) => each);

    await one.stop();
    for (const each of running) expect(each !== undefined && isRunning(each)).toBe(false);
    expect(await readState(home)).toBeUndefined();
    expect(await findLeftovers(home)).toEqual([]);
    expect(readFileSync(join(home.logs, 'gateway.log'), 'utf8')).toContain('drained');
  });

  it('starts a service that dies again, on the same port', async () => {
    const { it: one, said } = supervisor();
    const { gatewayUrl } = await one.start();
    await fetch(`${gatewayUrl}/crash`).catch(() => undefined);
    await eventually(async () => expect((await fetch(`${gatewayUrl}/readyz`)).ok).toBe(true), { what: 'the gateway to come back' });
    await eventually(() => expect(said()).toMatch(/gateway exited with code 9; starting it again in 1 s[\s\S]*gateway is back/));
  });

  it('ends everything when one service cannot start, and shows what that one said', async () => {
    const { it: one } = supervisor({ BROKEN: join(folder, 'ops.cjs') });
    await expect(one.start()).rejects.toThrow(/ops exited with code 78 while it was starting[\s\S]*Configuration: X is bad/);
    await one.stop();
    expect(await findLeftovers(home)).toEqual([]);
    expect(existsSync(home.stateFile)).toBe(false);
  });

  it('starts no service when the migration fails', async () => {
    const { it: one } = supervisor({ MIGRATION_CODE: '3' });
    await expect(one.start()).rejects.toThrow('the migration failed (code 3)');
    expect(existsSync(join(home.logs, 'gateway.log'))).toBe(false);
  });

  it('names the variable when nothing answers where it points to', async () => {
    const [closed = 0] = await freePorts(1);
    const { it: one } = supervisor({ REDIS_URL: `redis://127.0.0.1:${closed}` });
    await expect(one.start()).rejects.toThrow(`REDIS_URL points to 127.0.0.1:${closed}, and nothing answers there`);
  });

  it('refuses to start a second stack in the same home', async () => {
    await supervisor().it.start();
    await expect(supervisor().it.start()).rejects.toThrow(/Parley already runs from .*npm run stop/s);
  });

  it('refuses to start beside the embedded mode in the same home, and keeps no lock then', async () => {
    const embedded = HomeLock.claim(home.embeddedLock);
    try {
      await expect(supervisor().it.start()).rejects.toThrow(/Parley already runs from/);
      expect(await lockHolder(home.lockFile)).toBeUndefined();
    } finally {
      embedded?.release();
    }
  });

  it('goes on when its record cannot be written', async () => {
    const { it: one, said } = supervisor();
    const { gatewayUrl } = await one.start();
    rmSync(home.stateFile);
    mkdirSync(home.stateFile);
    try {
      await fetch(`${gatewayUrl}/crash`).catch(() => undefined);
      await eventually(() => expect(said()).toMatch(/what runs could not be written down: .*[\s\S]*gateway is back/));
    } finally {
      rmSync(home.stateFile, { recursive: true });
    }
  });

  it('is never ready by what a killed run wrote down', async () => {
    const { it: one } = supervisor();
    const old = await one.start();
    await one.stop();
    await writeState(home, { ...old, supervisor: { pid: 1, startedAt: 'long ago' } });
    expect((await readState(home))?.supervisor).toBeUndefined();

    const { it: next } = supervisor();
    const seen: (string | undefined)[] = [];
    const starting = next.start();
    for (let isDone = false; !isDone; isDone = await Promise.race([starting.then(() => true), nextTurn(false)])) {
      const found = await readState(home);
      if (found?.supervisor !== undefined) seen.push(found.state.phase);
    }
    expect(seen[0]).toBe('starting');
    expect((await readState(home))?.state.supervisor).toEqual(identify(process.pid));
  });

  it('can be stopped while it is starting', async () => {
    const { it: one } = supervisor();
    const outcome = one.start().catch((error: Error) => error.message);
    await one.stop();
    expect(await outcome).toMatch(/stopped while starting|was stopped while it was starting|ended by/);
    expect(await findLeftovers(home)).toEqual([]);
  });

  it('hands a service to npm run dev with its settings, and runs it again when that gives it back', async () => {
    const { it: one, said } = supervisor({ RATE_LIMIT_PER_USER: '7' });
    const { gatewayUrl } = await one.start();
    const borrowed = await borrowService(home, 'gateway', borrowing);
    try {
      await expect(fetch(gatewayUrl)).rejects.toThrow('fetch failed');
      expect(borrowed.url).toBe(gatewayUrl);
      expect(borrowed.environment).toMatchObject({
        PORT: new URL(gatewayUrl).port,
        DATABASE_URL: env['DATABASE_URL'],
        RATE_LIMIT_PER_USER: '7',
        AUTH_JWT_SECRET: expect.any(String),
      });
      await expect(borrowService(home, 'gateway', borrowing)).rejects.toThrow('another npm run dev');
    } finally {
      expect(await borrowed.giveBack()).toBe(true);
    }
    expect((await fetch(gatewayUrl)).ok).toBe(true);
    expect(said()).toMatch(/gateway goes to npm run dev[\s\S]*gateway is back/);
  });

  it('takes a service back from an npm run dev that was killed, and ends what that left on its port', async () => {
    const { it: one } = supervisor();
    const { gatewayUrl } = await one.start();
    const borrower = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
    const left = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
    const [holder, orphan] = [borrower, left].map(({ pid = 0 }) => identify(pid));
    if (holder === undefined || orphan === undefined) throw new Error('sleep did not start');
    writeFileSync(loanFile(home, 'gateway'), JSON.stringify(holder));
    await eventually(async () => expect((await readState(home))?.state.services[0]?.lent?.to).toEqual(holder));
    writeFileSync(join(serviceRunFolder(home), 'gateway.pid'), toPidFile(orphan));
    borrower.kill('SIGKILL');
    await eventually(async () => expect((await fetch(gatewayUrl)).ok).toBe(true), { what: 'the gateway to come back' });
    expect(isRunning(orphan)).toBe(false);
  });

  it('tells the second of two borrowers from the first, when one follows the other between two looks', async () => {
    const { it: one } = supervisor();
    await one.start();
    const [first, second] = [1, 2].map(() => spawn('sleep', ['60'], { stdio: 'ignore', detached: true }));
    const holders = [first, second].map((each) => identify(each?.pid ?? 0));
    try {
      for (const holder of holders) {
        writeFileSync(loanFile(home, 'gateway'), JSON.stringify(holder));
        await eventually(async () => expect((await readState(home))?.state.services[0]?.lent?.to).toEqual(holder));
      }
    } finally {
      for (const each of [first, second]) each?.kill('SIGKILL');
    }
  });

  it('explains a Ctrl-C that ends the wait for a service, and keeps the service', async () => {
    const { it: one } = supervisor();
    const { gatewayUrl } = await one.start();
    await expect(borrowService(home, 'gateway', { ...borrowing, cancelled: AbortSignal.abort() })).rejects.toThrow(
      expect.objectContaining({ name: 'Explained', exitCode: 130, message: 'gateway stays with npm start' }),
    );
    await eventually(async () => expect((await fetch(gatewayUrl)).ok).toBe(true));
  });

  it('ends npm run dev before the servers that its service stands on', async () => {
    const { it: one } = supervisor();
    await one.start();
    const borrower = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
    writeFileSync(loanFile(home, 'gateway'), JSON.stringify(identify(borrower.pid ?? 0)));
    await eventually(async () => expect((await readState(home))?.state.services[0]?.lent).toBeDefined());
    await one.stop();
    expect(borrower.signalCode ?? (await once(borrower, 'exit'))[1]).toBe('SIGTERM');
  });

  it('lends nothing that it does not have, and says what there is', async () => {
    await expect(borrowService(home, 'gateway', borrowing)).rejects.toThrow(
      /Parley is not running: npm start .* then npm run dev -- gateway/,
    );
    await supervisor().it.start();
    await expect(borrowService(home, 'scoring', borrowing)).rejects.toThrow('there is no service scoring; there are: gateway, ops');
  });

  it('leaves pid files by which a later run finds what a killed one left behind', async () => {
    const { it: one } = supervisor();
    const { services } = await one.start();
    const leftovers = await findLeftovers(home);
    expect(leftovers.map(({ name, kind }) => `${kind} ${name}`).sort()).toEqual(['service gateway', 'service ops']);
    await stopLeftovers(leftovers);
    for (const each of services) expect(each.process !== undefined && isRunning(each.process)).toBe(false);
  });
});

async function listening(): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}
