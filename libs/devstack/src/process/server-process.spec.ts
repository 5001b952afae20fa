import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { ServerProcess } from './server-process.js';

it('a server that has ended is not ready, although another one answers at its port', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-server-'));
  try {
    const server: ServerProcess = new ServerProcess({
      name: 'short-lived',
      command: process.execPath,
      args: ['-e', `console.error('the port is taken'); process.exit(7)`],
      env: process.env,
      cwd: folder,
      logFile: join(folder, 'log'),
      pidFile: join(folder, 'pid'),
      stopSignal: 'SIGTERM',
      stopWithinMs: 5_000,
      readyWithinMs: 20_000,
      probe: () => eventually(() => expect(server.pid).toBeUndefined()),
    });
    await expect(server.start()).rejects.toThrow(/exited with code 7 while it was starting[\s\S]*the port is taken/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
