import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../process/commands.js';
import type { Account } from '../process/unprivileged-user.js';
import { Explained } from '../terminal/explain.js';
import { postgresEnvironment } from './postgres-environment.js';
import type { PostgresPrograms } from './postgres-programs.js';

/** Which Postgres to end, and as whom: pg_ctl refuses to be root. */
export interface StoppablePostgres {
  readonly programs: PostgresPrograms;
  readonly folder: string;
  readonly as: Account | undefined;
}

const STOP_WITHIN_S = 20;

/**
 * Ends the Postgres of a data folder: a fast shutdown, which does not wait for clients, or an immediate one where that does not end it in 20 s. By
 * pg_ctl, because Windows has no signals. @returns whether it found one by its `postmaster.pid`. @throws Explained when it does not end.
 */
export async function stopPostgres({ programs, folder, as }: StoppablePostgres): Promise<boolean> {
  let said: string | undefined;
  for (const mode of ['fast', 'immediate']) {
    if (!existsSync(join(folder, 'postmaster.pid'))) return said !== undefined;
    const { code, stderr } = await runCommand(programs.pgCtl, ['stop', '-D', folder, '-m', mode, '-w', '-t', String(STOP_WITHIN_S)], {
      timeoutMs: (STOP_WITHIN_S + 5) * 1_000,
      as,
      cwd: folder,
      env: postgresEnvironment(),
    });
    if (code === 0) return true;
    said = stderr.trim();
  }
  // Killed meanwhile, it leaves the file, which the next start clears up.
  if (said !== undefined && /No such process|Is server running/i.test(said)) return false;
  throw new Explained(`the embedded Postgres does not stop: ${said}`);
}
