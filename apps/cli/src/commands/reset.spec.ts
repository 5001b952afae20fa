import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { reset } from './reset.js';

describe('parley reset', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'parley-reset-'));
    vi.stubEnv('PARLEY_HOME', home);
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    for (const folder of ['data', 'logs', 'traces', 'run']) mkdirSync(join(home, folder));
    writeFileSync(join(home, 'secrets.json'), '{}');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    rmSync(home, { recursive: true, force: true });
  });

  it('removes all that npm start made, also what a killed one was about to make', async () => {
    for (const draft of ['secrets.json.new', 'state.json.4711', 'supervisor.lock.0198c3a2-7d5e-4c1b-9f00-00000000abcd'])
      writeFileSync(join(home, draft), '');
    await reset({ yes: true });
    expect(existsSync(home)).toBe(false);
  });

  it('asks first, and without a terminal to ask in removes nothing', async () => {
    await expect(reset({})).rejects.toThrow('say --yes');
    expect(readdirSync(home)).toHaveLength(5);
  });

  it('refuses a folder that holds anything else: PARLEY_HOME may be wrong', async () => {
    writeFileSync(join(home, 'thesis.tex'), '');
    await expect(reset({ yes: true })).rejects.toThrow(/thesis\.tex.*Nothing was removed/);
    expect(readdirSync(home)).toHaveLength(6);
  });
});
