import { inject } from 'vitest';
import { DeviceEntity } from '#lib/database/adapters/entities/device.entity';
import { migratedDatabase } from '#lib/testing/migrated-database';
import { deviceStoreContract } from '../device-store.contract.js';
import { PostgresDeviceStore } from './postgres-device-store.js';

deviceStoreContract('PostgresDeviceStore', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return {
    store: new PostgresDeviceStore(database.dataSource),
    all: () => database.dataSource.getRepository(DeviceEntity).find(),
    clear: async () => void (await database.lane('work').query('TRUNCATE devices')),
    close: () => database.drop(),
  };
});
