import { Module } from '@nestjs/common';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { PeriodicTasks } from '#lib/runtime/work/periodic-tasks';
import { within } from '#lib/runtime/work/within';
import { ActivitiesController } from '../adapters/http/routes/activities.controller.js';
import { CataloguePort } from './catalogue.port.js';
import { CurrentCatalogue } from './current-catalogue.js';
import { SuggestActivities } from './suggest-activities.js';

/** How old an operator's change may be before every process suggests by it: one read of one row for each process. */
const LOOK_EVERY_MS = 2_000;
/** The first requests should have the catalogue of the operators; a Postgres that is away must not keep the gateway from starting. */
const FIRST_LOOK_WITHIN_MS = 2_000;

const currentCatalogue = (store: CataloguePort, logger: Logger, lifecycle: Lifecycle): CurrentCatalogue => {
  const catalogue = new CurrentCatalogue(store, logger);
  const looks = new PeriodicTasks([{ name: 'catalogue of activities', everyMs: LOOK_EVERY_MS, run: () => catalogue.refresh() }], logger);
  const start = async () => {
    looks.start(); // logs when it fails
    await within(FIRST_LOOK_WITHIN_MS, catalogue.refresh()).catch(() => undefined);
  };
  lifecycle.add({ name: 'catalogue of activities', phase: 'background', start, stop: () => looks.stop() });
  return catalogue;
};

/** What users may do next. Needs a CataloguePort and a FriendshipStorePort. */
@Module({
  controllers: [ActivitiesController],
  providers: [SuggestActivities, { provide: CurrentCatalogue, inject: [CataloguePort, LOGGER, Lifecycle], useFactory: currentCatalogue }],
})
export class ActivitiesModule {}
