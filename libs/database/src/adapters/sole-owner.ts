import { setTimeout as sleep } from 'node:timers/promises';
import { DependencyError } from '#lib/resilience/call/errors';
import type { Config } from '#lib/runtime/config/config';
import { processName } from '#lib/runtime/process/process-name';
import { connectionSettings } from './lanes/postgres-lanes.js';
import { SafeClient } from './lanes/safe-client.js';

/** Key of the advisory lock: the ASCII codes of "embed". */
const LOCK = 0x65_6d_62_65_64;
/** A process that was killed holds its lock until Postgres has ended its statement (DB_STATEMENT_TIMEOUT_MS at most). */
const GIVEN_BACK_WITHIN_MS = 5_000;
const TRY_EVERY_MS = 100;
/** Between two tries after the connection broke. */
const RECONNECT_MS = 1_000;

/**
 * Makes sure that one process works on a database: an advisory lock on a connection of its own, which Postgres gives back when the process is
 * gone, however it ended.
 *
 *     free --take()--> taken --(connection broke)--> taken again, as soon as Postgres answers
 *                                          `--(another process was faster)--> onLost
 */
export class SoleOwner {
  private client: SafeClient | undefined;
  private isReleased = false;

  /** @param onLost called once when another process has it; this one must end. */
  constructor(
    private readonly config: Pick<Config, 'DATABASE_URL' | 'DB_STATEMENT_TIMEOUT_MS'>,
    private readonly app: string,
    private readonly onLost: () => void,
  ) {}

  /** @returns false when another process has it. @throws DependencyError when Postgres does not answer. */
  async take(): Promise<boolean> {
    if (this.client !== undefined) return true;
    const client = await this.connect();
    const endsAt = performance.now() + GIVEN_BACK_WITHIN_MS;
    while (!(await isMine(client))) {
      if (performance.now() > endsAt) {
        client.destroy(new Error('another process has the database'));
        return false;
      }
      await sleep(TRY_EVERY_MS);
    }
    this.client = client;
    client.once('end', () => {
      this.client = undefined;
      void this.takeAgain();
    });
    return true;
  }

  /** Gives it to the next process. */
  release(): void {
    this.isReleased = true;
    this.client?.destroy(new Error('released'));
  }

  private async connect(): Promise<SafeClient> {
    const { DATABASE_URL: url, DB_STATEMENT_TIMEOUT_MS: statementTimeoutMs } = this.config;
    const client = new SafeClient(
      connectionSettings({ url, applicationName: processName(this.app), acquireTimeoutMs: RECONNECT_MS, statementTimeoutMs }),
    );
    try {
      await client.connect();
      return client;
    } catch (cause) {
      client.destroy(new Error('could not connect'));
      throw new DependencyError('postgres', 'owner', 'unavailable', { cause });
    }
  }

  private async takeAgain(): Promise<void> {
    while (!this.isReleased) {
      const taken = await this.take().catch(() => undefined);
      if (taken === true) return;
      if (taken === false) return this.onLost();
      await sleep(RECONNECT_MS, undefined, { ref: false });
    }
  }
}

const isMine = async (client: SafeClient): Promise<boolean> => {
  try {
    const { rows } = await client.query<{ isMine: boolean }>('SELECT pg_try_advisory_lock($1) AS "isMine"', [LOCK]);
    return rows[0]?.isMine === true;
  } catch (cause) {
    client.destroy(new Error('no answer'));
    throw new DependencyError('postgres', 'owner', 'unavailable', { cause });
  }
};
