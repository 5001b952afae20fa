import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withAuditLog } from './logs.js';

describe('the audit log', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'parley-audit-'));
    vi.stubEnv('PARLEY_HOME', home);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true });
  });

  it('is on disk when the command has ended, also when it failed', async () => {
    const command = withAuditLog(async (audit) => {
      audit.info({ audit: 'outbox.unpark' }, 'outbox: unpark');
      throw new Error('Postgres went away');
    });
    await expect(command).rejects.toThrow('Postgres went away');
    expect(readFileSync(join(home, 'logs', 'operator.log'), 'utf8')).toContain('"audit":"outbox.unpark"');
  });

  it.each([
    ['folder', () => writeFileSync(join(home, 'logs'), 'a file where the folder should be')],
    ['file', () => mkdirSync(join(home, 'logs', 'operator.log'), { recursive: true })],
  ])('whose %s cannot be written keeps the command from running, and says what to do', async (_, spoil) => {
    spoil();
    const work = vi.fn();
    await expect(withAuditLog(work)).rejects.toThrow(/cannot write .*operator\.log .*set PARLEY_HOME/);
    expect(work).not.toHaveBeenCalled();
  });
});
