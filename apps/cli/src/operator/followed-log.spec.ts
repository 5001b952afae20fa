import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FollowedLog } from './followed-log.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'followed-'));
  path = join(folder, 'gateway.log');
});
afterEach(() => rm(folder, { recursive: true }));

it('a log is followed from its end on, line by line', async () => {
  await writeFile(path, 'old\n');
  const log = await FollowedLog.at(path);
  expect(await log.newLines()).toEqual([]);

  await appendFile(path, 'one\ntw');
  expect(await log.newLines()).toEqual(['one']);
  await appendFile(path, 'o\n');
  expect(await log.newLines()).toEqual(['two']);
});

it('a log that is set aside is followed in its new file, also while that is missing or empty', async () => {
  await writeFile(path, 'old\nhal');
  const log = await FollowedLog.at(path);
  await appendFile(path, 'f');
  expect(await log.newLines()).toEqual([]);

  await rename(path, `${path}.1`);
  expect(await log.newLines()).toEqual([]);
  await writeFile(path, '');
  expect(await log.newLines()).toEqual([]);
  await appendFile(path, 'new\n');
  expect(await log.newLines()).toEqual(['new']);
});
