import { builtInRows } from '../../activities/built-in-catalogue.js';
import type { CatalogueRows } from '../../activities/catalogue.js';
import { CataloguePort } from '../../activities/catalogue.port.js';

/** A catalogue in memory, for tests and development. */
export class MemoryCatalogue extends CataloguePort {
  private held: CatalogueRows = builtInRows;
  private changes = 1;

  /** What an operator does with SQL. */
  change(rows: CatalogueRows): void {
    this.held = rows;
    this.changes += 1;
  }

  override async version(): Promise<string> {
    return String(this.changes);
  }

  override async rows(): Promise<CatalogueRows> {
    return this.held;
  }
}
