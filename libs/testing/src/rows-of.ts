import { Client } from 'pg';

const TIMEOUT_MS = 15_000;

/** Runs one statement on a connection of its own. @returns its rows. @throws what pg throws, within `timeoutMs` for each step. */
export async function rowsOf<Row extends object>(databaseUrl: string, statement: string, timeoutMs = TIMEOUT_MS): Promise<Row[]> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  client.on('error', () => undefined); // the statement below already fails with it
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}
