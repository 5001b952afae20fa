import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogFile } from './log-file.js';

describe('a log file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('keeps what is there and appends', () => {
    for (const line of ['one\n', 'two\n']) {
      const log = new LogFile(join(folder, 'logs', 'a.log'));
      log.write(line);
      log.flush();
    }
    expect(readFileSync(join(folder, 'logs', 'a.log'), 'utf8')).toBe('one\ntwo\n');
  });

  it('sets itself aside when it is long and keeps three files in all', () => {
    const log = new LogFile(join(folder, 'a.log'), 10);
    for (let i = 0; i < 6; i++) {
      log.write(`line number ${i}\n`);
      log.flush();
    }
    expect(readdirSync(folder).sort()).toEqual(['a.log', 'a.log.1', 'a.log.2']);
    expect(readFileSync(join(folder, 'a.log'), 'utf8')).toBe('line number 5\n');
    expect(readFileSync(join(folder, 'a.log.2'), 'utf8')).toBe('line number 3\n');
  });

  it('loses what cannot be written, goes on, and ends no process', () => {
    const log = new LogFile(join(folder, 'logs', 'a.log'));
    rmSync(join(folder, 'logs'), { recursive: true });
    log.write('lost\n');
    log.flush();
    mkdirSync(join(folder, 'logs'));
    log.write('kept\n');
    log.flush();
    expect(readFileSync(join(folder, 'logs', 'a.log'), 'utf8')).toBe('kept\n');
  });
});
