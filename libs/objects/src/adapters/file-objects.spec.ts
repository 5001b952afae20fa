import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
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

  it('never show what a crash left half written', async () => {
    await mkdir(join(folder, 'logs'));
    await writeFile(join(folder, 'logs', '.0199-half'), 'half');
    expect(await store().keys('', 10)).toEqual([]);
  });

  it('leave nothing behind when they cannot be written, and say that the store is at fault', async () => {
    await writeFile(join(folder, 'logs'), 'a file where a folder should be');
    const failed = store().put('logs/a', Buffer.from('x'), about);
    await expect(failed).rejects.toMatchObject({ name: 'DependencyError', dependency: 'objectStore', kind: 'unavailable' });
    expect(await readdir(folder)).toEqual(['logs']);
    await chmod(folder, 0o700);
  });
});
