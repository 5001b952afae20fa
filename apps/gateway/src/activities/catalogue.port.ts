import type { CatalogueRows } from './catalogue.js';

/** Where operators keep the catalogue. All calls throw DependencyError when Postgres cannot. */
export abstract class CataloguePort {
  /** Another one after every change. */
  abstract version(): Promise<string>;
  /** Everything that is switched on, at most {@link MAX_AGENTS} and {@link MAX_TEMPLATES} rows; what this version of Parley does not know is left out. */
  abstract rows(): Promise<CatalogueRows>;
}

/** As the trigger of the tables has it (create-activity-catalogue): together some 3 MB. */
export const MAX_AGENTS = 500;
export const MAX_TEMPLATES = 2_000;
