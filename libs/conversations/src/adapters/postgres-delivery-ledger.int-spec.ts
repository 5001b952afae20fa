import { inject } from 'vitest';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { deliveryLedgerContract } from '../delivery-ledger.contract.js';
import { PostgresDeliveryLedger } from './postgres-delivery-ledger.js';

deliveryLedgerContract('PostgresDeliveryLedger', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return { ledger: new PostgresDeliveryLedger(database.lane('work')), stop: () => database.drop() };
});
