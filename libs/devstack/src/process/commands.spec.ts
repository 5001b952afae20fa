import { expect, it } from 'vitest';
import { runCommand } from './commands.js';

it('a command that takes too long is given up in time, also when what it has started goes on', { timeout: 15_000 }, async () => {
  const command = runCommand('/bin/sh', ['-c', 'sleep 30 & wait'], { timeoutMs: 200 });
  await expect(command).rejects.toThrow('did not finish within 200 ms');
});

it('a command that is cancelled before it has begun ends at once', { timeout: 15_000 }, async () => {
  const result = await runCommand(process.execPath, ['-e', 'setTimeout(() => 0, 30_000)'], {
    timeoutMs: 60_000,
    cancelled: AbortSignal.abort(),
  });
  expect(result.code).toBe(143);
});
