import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropLock, lockHolder, takeLock } from './lock-file.js';

describe('a lock file', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-lock-'));
    file = join(folder, 'lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is held by one at a time', async () => {
    expect(await takeLock(file)).toBe(true);
    expect(await takeLock(file)).toBe(false);
    expect((await lockHolder(file))?.pid).toBe(process.pid);
    await dropLock(file);
    expect(await lockHolder(file)).toBeUndefined();
    expect(await takeLock(file)).toBe(true);
  });

  it('is taken over from a holder that no longer runs', async () => {
    writeFileSync(file, JSON.stringify({ pid: process.pid, startedAt: 'long ago' }));
    expect(await lockHolder(file)).toBeUndefined();
    expect(await takeLock(file)).toBe(true);
  });

  it('is left alone while its holder writes its name into it, and taken when that never came', async () => {
    writeFileSync(file, '');
    expect(await takeLock(file)).toBe(false);
    utimesSync(file, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
    expect(await takeLock(file)).toBe(true);
  });
});
