import { chmod, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { objectStoreContract } from '../object-store.contract.js';
import { CalledObjectStore } from './called-object-store.js';
import { FileObjects } from './file-objects.js';

const about = { contentType: 'text/plain' };

objectStoreContract('FileObjects', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-objects-'));
  const store = new CalledObjectStore(new FileObjects(join(folder, 'made', 'by', 'it')), createBreakers());
  return {
    store,
    clear: () => rm(join(folder, 'made'), { recursive: true, force: true }),
    close: () => rm(folder, { recursive: true, force: true }),
  };
});

describe('objects as files', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-objects-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const store = () => new CalledObjectStore(new FileObjects(folder), createBreakers());

  it('never show what a crash left half written, and remove it: it may be of a user who is erased', async () => {
    const half = join(folder, '.unfinished');
    await mkdir(half);
    for (const name of ['left', 'under-way']) await writeFile(join(half, name), 'half');
    const anHourAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(half, 'left'), anHourAgo, anHourAgo);
    expect(await store().keys('', 10)).toEqual([]);
    expect(await readdir(half)).toEqual(['under-way']);
    await store().put('logs/a', Buffer.from('x'), about);
    expect(await readdir(half)).toEqual(['under-way']);
    expect(await readdir(join(folder, 'logs'))).toEqual(['a']);
  });

  it('leave nothing behind when they cannot be written, and say that the store is at fault', async () => {
    await writeFile(join(folder, 'logs'), 'a file where a folder should be');
    const failed = store().put('logs/a', Buffer.from('x'), about);
    await expect(failed).rejects.toMatchObject({ name: 'DependencyError', dependency: 'objectStore', kind: 'unavailable' });
    expect(await readdir(folder)).toEqual(['logs']);
    await chmod(folder, 0o700);
  });
});
