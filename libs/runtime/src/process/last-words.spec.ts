import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LastWords } from './last-words.js';

const place = { service: 'scoring', PORT: 8085, DATABASE_URL: 'postgres://db/parley' };

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'last-words-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('the last words of a process', () => {
  it('are there for the process that is started in its place, the newest of several', () => {
    expect(new LastWords(place, folder).read()).toBeUndefined();

    new LastWords(place, folder).write(1_000);
    new LastWords(place, folder).write(2_000);

    expect(new LastWords(place, folder).read()).toBe(2_000);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it.each([
    ['service', { ...place, service: 'delivery' }],
    ['port', { ...place, PORT: 8086 }],
    ['database', { ...place, DATABASE_URL: 'postgres://db/other' }],
  ])('say nothing about a process of another %s', (_, other) => {
    new LastWords(place, folder).write(1_000);

    expect(new LastWords(other, folder).read()).toBeUndefined();
  });

  it('that cannot be read are none', () => {
    new LastWords(place, folder).write(1_000);
    const [file = ''] = readdirSync(folder);
    for (const text of ['', 'yesterday', '-1', 'NaN', '1.5', '1e400']) {
      writeFileSync(join(folder, file), text);
      expect(new LastWords(place, folder).read()).toBeUndefined();
    }
  });

  it('are written also where a process of the same number was killed in the middle', () => {
    new LastWords(place, folder).write(1_000);
    const [file = ''] = readdirSync(folder);
    writeFileSync(join(folder, `${file}.${process.pid}`), '');

    new LastWords(place, folder).write(2_000);

    expect(new LastWords(place, folder).read()).toBe(2_000);
  });

  it('that cannot be written keep no process from ending', () => {
    expect(() => new LastWords(place, join(folder, 'away')).write(1_000)).not.toThrow();
  });
});
