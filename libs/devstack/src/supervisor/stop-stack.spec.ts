import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { type Home, parleyHome } from '../home/home.js';
import { serviceRunFolder } from '../home/leftovers.js';
import { lockHolder } from '../process/lock-file.js';
import { identify, isRunning, type ProcessIdentity, toPidFile } from '../process/process-identity.js';
import { stopStack } from './stop-stack.js';

describe('npm stop', () => {
  let home: Home;
  let children: ChildProcess[];
  beforeEach(() => {
    home = parleyHome({ PARLEY_HOME: mkdtempSync(join(tmpdir(), 'parley-stop-')) });
    mkdirSync(serviceRunFolder(home), { recursive: true });
    children = [];
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(home.folder, { recursive: true, force: true });
  });

  const start = (program: string): { child: ChildProcess; identity: ProcessIdentity } => {
    const child = spawn(process.execPath, ['-e', program], { stdio: 'ignore', detached: true });
    children.push(child);
    const identity = identify(child.pid ?? 0);
    if (identity === undefined) throw new Error('it did not start');
    return { child, identity };
  };

  it('ends what a killed run left behind, and its record', async () => {
    const left = start('setInterval(() => 0, 1e6)');
    writeFileSync(join(serviceRunFolder(home), 'gateway.pid'), toPidFile(left.identity));
    writeFileSync(home.stateFile, '{"dependencies":[]}');
    expect(await stopStack(home, () => undefined)).toEqual({ wasRunning: false, leftovers: ['gateway'] });
    expect({ isRunning: isRunning(left.identity), isRecorded: existsSync(home.stateFile) }).toEqual({
      isRunning: false,
      isRecorded: false,
    });
    expect(await lockHolder(home.lockFile)).toBeUndefined();
  });

  it('leaves a start alone that begins at the moment at which the other has stopped', async () => {
    const next = start('setInterval(() => 0, 1e6)');
    const service = start('setInterval(() => 0, 1e6)');
    const [lock, listening] = [home.lockFile, join(home.folder, 'listening')];
    const first = start(`
      const { writeFileSync } = require('node:fs');
      process.on('SIGTERM', () => { writeFileSync(${JSON.stringify(lock)}, ${JSON.stringify(JSON.stringify(next.identity))}); process.exit(); });
      writeFileSync(${JSON.stringify(listening)}, '');
      setInterval(() => 0, 1e6);`);
    writeFileSync(lock, JSON.stringify(first.identity));
    await eventually(() => expect(existsSync(listening)).toBe(true));
    writeFileSync(join(serviceRunFolder(home), 'gateway.pid'), toPidFile(service.identity));
    writeFileSync(home.stateFile, '{"dependencies":[]}');

    expect(await stopStack(home, () => undefined)).toEqual({ wasRunning: true, leftovers: [] });
    expect([next, service].map(({ identity }) => isRunning(identity))).toEqual([true, true]);
    expect(existsSync(home.stateFile)).toBe(true);
    expect(await lockHolder(lock)).toEqual(next.identity);
  });
});
