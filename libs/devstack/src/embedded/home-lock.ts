import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Longer than a look at the lock takes, which is in the way of the one who wants it. */
const CLAIM_WITHIN_MS = 500;
const LOOK_WITHIN_MS = 50;
const SQLITE_BUSY = 5;

/**
 * The right to run what is in a folder. The operating system keeps it, as the lock of an SQLite file, and drops it when its process ends in whatever
 * way: there is nothing to clear up after kill -9 and no process number that could be another's by now.
 */
export class HomeLock {
  private constructor(private readonly database: DatabaseSync) {}

  /** Undefined when another process has it. */
  static claim(file: string): HomeLock | undefined {
    mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
    const database = new DatabaseSync(file, { timeout: CLAIM_WITHIN_MS });
    return locks(database, 'BEGIN EXCLUSIVE') ? new HomeLock(database) : undefined;
  }

  /** Whether a running process has it. */
  static isClaimed(file: string): boolean {
    if (!existsSync(file)) return false;
    const database = new DatabaseSync(file, { timeout: LOOK_WITHIN_MS, readOnly: true });
    // A shared lock, which several may have at once.
    const isFree = locks(database, 'BEGIN; SELECT count(*) FROM sqlite_schema');
    if (isFree) database.close();
    return !isFree;
  }

  release(): void {
    this.database.close();
  }
}

function locks(database: DatabaseSync, statement: string): boolean {
  try {
    database.exec(statement);
    return true;
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
