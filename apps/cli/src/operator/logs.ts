import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { parleyHome } from '#lib/devstack/home/home';
import { LogFile } from '#lib/devstack/home/log-file';
import { Explained, reasonOf } from '#lib/devstack/terminal/explain';
import { createLogger, type Logger } from '#lib/runtime/log/logger';
import { APP } from './identity.js';

/** For what a command uses: stdout carries the command's answer and nothing else. */
export const silentLog = (): Logger => createLogger(APP, 'silent');

/**
 * Runs a command that changes something with a log in `logs/operator.log`, which is on disk when it has ended.
 * @throws Explained, before anything was changed, when that file cannot be made.
 */
export async function withAuditLog<T>(work: (audit: Logger) => Promise<T>): Promise<T> {
  const file = openAuditLog(join(parleyHome().logs, 'operator.log'));
  try {
    return await work(createLogger(APP, 'info', file));
  } finally {
    file.flush();
  }
}

function openAuditLog(path: string): LogFile {
  try {
    const file = new LogFile(path);
    // Its lines are written at the end of a turn: that it takes them must be known before the order is carried out.
    closeSync(openSync(path, 'a', 0o640));
    return file;
  } catch (error) {
    throw new Explained(`cannot write ${path} (${reasonOf(error)}): set PARLEY_HOME to a folder that this user may write`);
  }
}
