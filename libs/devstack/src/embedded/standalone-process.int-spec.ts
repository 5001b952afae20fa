import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { freshDatabase } from '#lib/testing/databases';
import { StandaloneProcess } from './standalone-process.js';

it('the one process is not ready because another program answers at its port', { timeout: 90_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-standalone-'));
  const database = await freshDatabase(inject('stack').databaseUrl);
  const other = createServer((_, response) => response.end('ready')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  try {
    const entry = join(folder, 'entry.mjs');
    writeFileSync(entry, `await new Promise((later) => setTimeout(later, 500)); console.error('the port is taken'); process.exit(1);`);
    const standalone = new StandaloneProcess({
      entry,
      env: { ...process.env, DATABASE_URL: database.url },
      urls: [`http://127.0.0.1:${(other.address() as AddressInfo).port}`],
      onOutput: () => undefined,
    });
    await expect(standalone.start()).rejects.toThrow(/exited with code 1 while it was starting\n[\s\S]*the port is taken/);
    expect(standalone.pid).toBeUndefined();
  } finally {
    other.close();
    await database.drop();
    rmSync(folder, { recursive: true });
  }
});
