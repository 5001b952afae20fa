import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { descendantsOf, identify } from '#lib/devstack/process/process-identity';
import { Freeze } from './freeze.js';

const started: (() => void)[] = [];
afterEach(() => {
  for (const end of started.splice(0)) end();
});

const stateOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .slice(0, 1);

it.runIf(platform() === 'linux')('stops a server with its children until it is thawed, and says goodbye to its watcher', async () => {
  const server = spawn('sh', ['-c', 'sleep 60 & wait'], { stdio: 'ignore' });
  started.push(() => server.kill('SIGKILL'));
  const root = await eventually(() => {
    expect(descendantsOf(server.pid ?? 0)).toHaveLength(1);
    const identity = identify(server.pid ?? 0);
    if (identity === undefined) throw new Error('it does not run');
    return identity;
  });
  const pids = [root.pid, ...descendantsOf(root.pid)];
  const [, child = 0] = pids;
  started.push(() => process.kill(child, 'SIGKILL'));
  const listeners = process.listenerCount('SIGINT');

  const freeze = new Freeze(root);
  await eventually(() => expect(pids.map(stateOf)).toEqual(['T', 'T']));
  expect(process.listenerCount('SIGINT')).toBe(listeners + 1);

  freeze.thaw();
  freeze.thaw();
  await eventually(() => expect(pids.map(stateOf)).toEqual(['S', 'S']));
  expect(process.listenerCount('SIGINT')).toBe(listeners);
});
