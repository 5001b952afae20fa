import { join } from 'node:path';
import { parleyHome } from '#lib/devstack/home/home';
import { LogFile } from '#lib/devstack/home/log-file';
import { createLogger, type Logger } from '#lib/runtime/log/logger';
import { APP } from './identity.js';

/** For what a command uses: stdout carries the command's answer and nothing else. */
export const silentLog = (): Logger => createLogger(APP, 'silent');

/** Runs a command that changes something with a log in `logs/operator.log`, which is on disk when it has ended. */
export async function withAuditLog<T>(work: (audit: Logger) => Promise<T>): Promise<T> {
  const file = new LogFile(join(parleyHome().logs, 'operator.log'));
  try {
    return await work(createLogger(APP, 'info', file));
  } finally {
    file.flush();
  }
}
