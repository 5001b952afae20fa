import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Home } from './home.js';
import { secretsOf } from './secrets.js';

let folder: string;
let home: Home;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-secrets-'));
  home = { folder, secretsFile: join(folder, 'secrets.json') } as Home;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('the secrets of a home are made once, for their owner only, and are the same at the next start', async () => {
  const made = await secretsOf(home);
  expect(await secretsOf(home)).toEqual(made);
  expect(new Set(Object.values(made)).size).toBe(4);
  expect(await readdir(folder)).toEqual(['secrets.json']);
  expect((await stat(home.secretsFile)).mode & 0o777).toBe(0o600);
});

it('a start that was killed while it made the secrets leaves nothing that the next one refuses', async () => {
  await writeFile(`${home.secretsFile}.new`, '{"jwtSec');
  expect(await secretsOf(home)).toEqual(await secretsOf(home));
});

it('a damaged file of secrets is said by its path, and left as it is', async () => {
  await writeFile(home.secretsFile, '');
  await expect(secretsOf(home)).rejects.toThrow(`${home.secretsFile} is damaged`);
  expect((await stat(home.secretsFile)).size).toBe(0);
});
