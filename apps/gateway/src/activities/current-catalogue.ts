import type { Logger } from '#lib/runtime/log/logger';
import { builtInCatalogue } from './built-in-catalogue.js';
import { Catalogue } from './catalogue.js';
import type { CataloguePort } from './catalogue.port.js';

/**
 * The catalogue as this process last read it. Requests take what is held; `refresh` is called outside of them.
 *
 *     built in --refresh--> read --refresh, other version--> read
 *         ^ fails: stays        ^ fails, same version: stays
 */
export class CurrentCatalogue {
  private held = builtInCatalogue;
  private refreshing: Promise<void> | undefined;

  constructor(
    private readonly store: CataloguePort,
    private readonly logger: Logger,
  ) {}

  /** What to suggest from. */
  get current(): Catalogue {
    return this.held;
  }

  /** Whether the catalogue of the operators was never read. */
  get isBuiltIn(): boolean {
    return this.held === builtInCatalogue;
  }

  /** Reads the catalogue when its version is another one; a call while one runs is the same. @throws DependencyError when Postgres cannot; what is held stays. */
  refresh(): Promise<void> {
    this.refreshing ??= this.read().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  private async read(): Promise<void> {
    // The version first: rows that are newer than it are read again, rows that are older would stay.
    const version = await this.store.version();
    if (version === this.held.version) return;
    const rows = await this.store.rows();
    // Told where an operator looks for the edit that was just made; at every start it would be noise.
    const level = this.isBuiltIn ? 'debug' : 'info';
    this.held = new Catalogue(version, rows);
    this.logger[level]({ version, agents: rows.agents.length, templates: rows.templates.length }, 'catalogue of activities read');
  }
}
