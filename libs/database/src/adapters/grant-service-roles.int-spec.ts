import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { type FreshPlace, freshDatabase } from '#lib/testing/databases';
import { rolePasswordsFor, withPostgresLogin } from '#lib/devstack/servers/service-logins';
import { roleName, type ServiceRole, serviceRoles, tableGrants } from '../service-roles.js';
import { grantServiceRoles } from './grant-service-roles.js';
import { migrate } from './migrate.js';

const DENIED = { code: '42501' };
const logger = createLogger('grants-test', 'fatal');
const stackUrl = inject('stack').databaseUrl;

describe('the Postgres roles of the services', () => {
  let database: FreshPlace;
  const open: Client[] = [];
  beforeAll(async () => {
    database = await freshDatabase(stackUrl);
    await migrate({ url: database.url, logger });
    const options = { url: database.url, rolePasswords: rolePasswordsFor(database.url), logger };
    // Several starts at once, and once more: none may fail.
    await Promise.all([grantServiceRoles(options), grantServiceRoles(options), grantServiceRoles(options)]);
    await grantServiceRoles({ ...options, rolePasswords: undefined });
  });
  afterAll(async () => {
    await Promise.all(open.map((client) => client.end()));
    await database.drop();
  });

  const as = async (service: ServiceRole | 'owner'): Promise<Client> => {
    const client = new Client({ connectionString: service === 'owner' ? database.url : withPostgresLogin(database.url, service) });
    await client.connect();
    open.push(client);
    return client;
  };

  it('name every table of the schema, so that a new one needs a row in service-roles.ts', async () => {
    const { rows } = await (await as('owner')).query<{ table_name: string }>(
      `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
    );
    expect(rows.map(({ table_name: name }) => name).filter((name) => tableGrants[name] === undefined)).toEqual([]);
    expect(rows.length).toBeGreaterThan(8);
  });

  it('are no superusers and may make neither roles nor databases nor tables', async () => {
    const owner = await as('owner');
    const { rows } = await owner.query(
      `SELECT DISTINCT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = ANY ($1)`,
      [serviceRoles.map(roleName)],
    );
    expect(rows).toEqual([{ rolsuper: false, rolcreatedb: false, rolcreaterole: false, rolreplication: false, rolbypassrls: false }]);
    for (const service of serviceRoles) await expect((await as(service)).query('CREATE TABLE mine (id int)')).rejects.toMatchObject(DENIED);
  });

  it('let the gateway keep messages, but neither remove them nor drop or alter their table', async () => {
    const gateway = await as('gateway');
    await expect(gateway.query('SELECT FROM messages')).resolves.toBeDefined();
    for (const statement of ['DELETE FROM messages', 'TRUNCATE messages', 'DROP TABLE messages', 'ALTER TABLE messages ADD COLUMN x int'])
      await expect(gateway.query(statement)).rejects.toMatchObject(DENIED);
  });

  it('let embedding read messages and never write them', async () => {
    const embedding = await as('embedding');
    await expect(embedding.query('SELECT FROM messages')).resolves.toBeDefined();
    for (const statement of [`UPDATE messages SET content = 'x'`, 'DELETE FROM messages', 'INSERT INTO messages DEFAULT VALUES'])
      await expect(embedding.query(statement)).rejects.toMatchObject(DENIED);
    await expect(embedding.query('SELECT FROM conversation_members')).rejects.toMatchObject(DENIED);
  });

  it('let the command line look at everything and write only what asks for a comparison', async () => {
    const cli = await as('cli');
    const { rows } = await cli.query<{ tablename: string }>(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`);
    for (const { tablename } of rows) await expect(cli.query(`SELECT FROM ${tablename}`)).resolves.toBeDefined();
    await expect(cli.query('DELETE FROM outbox')).rejects.toMatchObject(DENIED);
    await expect(cli.query('DELETE FROM consistency_runs')).resolves.toBeDefined();
  });

  it('take away what a role was given by hand', async () => {
    const owner = await as('owner');
    await owner.query(`GRANT DELETE ON messages TO ${roleName('embedding')}`);
    await grantServiceRoles({ url: database.url, rolePasswords: undefined, logger });
    await expect((await as('embedding')).query('DELETE FROM messages')).rejects.toMatchObject(DENIED);
  });

  it('are refused with the missing right when the migrating role may not make them', async () => {
    const refused = grantServiceRoles({ url: withPostgresLogin(database.url, 'gateway'), rolePasswords: 'ops=some-long-password', logger });
    await expect(refused).rejects.toThrow(/DB_ROLE_PASSWORDS: the role that migrates may not make parley_ops\. Give it CREATEROLE/);
    await expect(grantServiceRoles({ url: database.url, rolePasswords: 'stranger=some-long-password', logger })).rejects.toThrow(
      'not stranger',
    );
  });
});
