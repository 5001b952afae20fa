import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { descendantsOf, fromPidFile, goneWithin, identify, isRunning, leftBehindBy, signal, toPidFile } from './process-identity.js';
import { eventually } from '#lib/testing/eventually';

describe('the identity of a process', () => {
  it('outlives a trip through a pid file', () => {
    const self = identify(process.pid);
    if (self === undefined) throw new Error('this process is not running');
    expect(fromPidFile(toPidFile(self))).toEqual(self);
    expect(fromPidFile('')).toBeUndefined();
    expect(fromPidFile('12')).toBeUndefined();
    expect(fromPidFile('-1 5')).toBeUndefined();
  });

  it('is not that of a later process with the same pid', () => {
    expect(isRunning({ pid: process.pid, startedAt: '1' })).toBe(false);
  });

  it('ends with its process, also before its parent has waited for it', async () => {
    const child = spawn('sleep', ['60']);
    const identity = identify(child.pid ?? 0);
    expect(identity).toBeDefined();
    if (identity === undefined) return;
    expect(descendantsOf(process.pid)).toContain(child.pid);
    signal(identity.pid, 'SIGKILL');
    expect(await goneWithin(5_000, [identity])).toBe(true);
    await eventually(() => expect(signal(identity.pid, 'SIGTERM')).toBe(false)); // once Node has taken note of its end
  });

  it.runIf(process.platform === 'linux')('finds what a killed leader left behind in its session', async () => {
    const leader = spawn('/bin/sh', ['-c', 'sleep 60 & wait'], { detached: true, stdio: 'ignore' });
    const identity = identify(leader.pid ?? 0);
    if (identity === undefined) throw new Error('the leader did not start');
    await eventually(() => expect(leftBehindBy(identity)).toHaveLength(1));
    signal(identity.pid, 'SIGKILL');
    await once(leader, 'exit');
    const [stray] = leftBehindBy(identity);
    expect(stray).toBeDefined();
    expect(leftBehindBy({ ...identity, startedAt: String(Number(identity.startedAt) - 10_000) })).toEqual([]);
    if (stray !== undefined) signal(stray.pid, 'SIGKILL');
    await eventually(() => expect(leftBehindBy(identity)).toEqual([]));
  });
});
