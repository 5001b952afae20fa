import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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

  it('goes to one of those who find at the same moment that its holder is gone', async () => {
    for (let round = 0; round < 100; round += 1) {
      writeFileSync(file, round % 2 === 0 ? JSON.stringify({ pid: process.pid, startedAt: 'long ago' }) : '');
      const taken = await Promise.all([takeLock(file), takeLock(file)]);
      expect(taken.filter(Boolean)).toHaveLength(1);
      expect((await lockHolder(file))?.pid).toBe(process.pid);
      expect(readdirSync(folder)).toEqual(['lock']);
    }
  });
});
