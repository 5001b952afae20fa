import { existsSync, realpathSync } from 'node:fs';
import { Client, DatabaseError } from 'pg';

const CONNECT_WITHIN_MS = 2_000;
/** Class 57P: it starts, recovers or shuts down. */
const NOT_NOW = '57P';

/** What answers at a port: the Postgres of this data folder, one of ours that is not ready, another program, nothing, or no word in time. */
export type Answer = 'ours' | 'not-now' | 'other' | 'nothing' | 'silent';

/** Asks who listens at this URL. Never throws. */
export async function whoAnswers(url: string, folder: string): Promise<Answer> {
  const client = newClient(url);
  try {
    await client.connect();
    const { rows } = await client.query<{ folder: string }>(`SELECT current_setting('data_directory') AS folder`);
    return samePath(rows[0]?.folder, folder) ? 'ours' : 'other';
  } catch (error) {
    return meaningOf(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A client that waits 2 s for a connection and for each answer, and whose lost connection is no uncaught error. */
export function newClient(url: string): Client {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    query_timeout: CONNECT_WITHIN_MS,
    application_name: 'parley-start',
    keepAlive: true,
  });
  client.on('error', () => undefined); // what is under way on it fails with it
  return client;
}

function meaningOf(error: unknown): Answer {
  if (error instanceof DatabaseError) return error.code?.startsWith(NOT_NOW) === true ? 'not-now' : 'other';
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'nothing';
  return /timeout/i.test(message) ? 'silent' : 'other';
}

function samePath(one: string | undefined, other: string): boolean {
  return one !== undefined && existsSync(one) && realpathSync(one) === realpathSync(other);
}
