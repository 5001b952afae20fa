import { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { migrate } from '#lib/database/adapters/migrate';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { PostgresLanes, type PostgresLanesOptions } from '#lib/database/adapters/lanes/postgres-lanes';
import type { LaneName } from '#lib/database/pool-budget';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { createLogger } from '#lib/runtime/log/logger';
import { inject } from 'vitest';
import { grantServiceRoles } from '#lib/database/adapters/grant-service-roles';
import { rolePasswordsFor } from '#lib/devstack/servers/service-logins';
import { freshDatabase, type FreshPlace } from './databases.js';

/** An empty database with Parley's schema, and lanes into it. */
export interface MigratedDatabase {
  readonly url: string;
  readonly lanes: PostgresLanes;
  /** Repositories on the lane `reads`. */
  readonly dataSource: LaneDataSource;
  lane(name: LaneName): PostgresLane;
  /** More lanes into the same database, with other settings or through a fault proxy. Closed by `drop`. */
  otherLanes(settings: Partial<PostgresLanesOptions>): PostgresLanes;
  drop(): Promise<void>;
}

const logger = createLogger('test', 'silent');

/** A database with Parley's schema and the grants of its services' roles, as `ops migrate` leaves it. */
export const migratedTemplate = async (databaseUrl: string): Promise<FreshPlace> => {
  const place = await freshDatabase(databaseUrl);
  await migrate({ url: place.url, logger });
  await grantServiceRoles({ url: place.url, rolePasswords: rolePasswordsFor(place.url), logger });
  return place;
};

/** Makes a database of its own for one test file: `migratedDatabase(inject('stack').databaseUrl)`. */
export const migratedDatabase = async (databaseUrl: string): Promise<MigratedDatabase> => {
  const shared = inject('stack');
  const isShared = databaseUrl === shared?.databaseUrl;
  const { url, drop } = isShared ? await freshDatabase(databaseUrl, shared.template) : await migratedTemplate(databaseUrl);
  const opened: PostgresLanes[] = [];
  const otherLanes = (settings: Partial<PostgresLanesOptions>): PostgresLanes => {
    const lanes = new PostgresLanes({
      url,
      applicationName: 'parley-test',
      lanes: { sends: 4, reads: 4, edits: 2, relay: 2, work: 4, health: 1 },
      acquireTimeoutMs: 1_000,
      statementTimeoutMs: 3_000,
      slowQueryMs: 100,
      breakers: createBreakers(),
      logger,
      ...settings,
    });
    opened.push(lanes);
    return lanes;
  };
  const lanes = otherLanes({});
  return {
    url,
    lanes,
    dataSource: await LaneDataSource.over(lanes.lane('reads')),
    otherLanes,
    lane: (name) => lanes.lane(name),
    drop: async () => {
      await Promise.all(opened.map((one) => one.close(500)));
      await drop();
    },
  };
};
