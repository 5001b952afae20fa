import { Injectable } from '@nestjs/common';
import type { HealthCheck } from './health.js';

/** The checks of `GET /v1/health`: each lib's module adds those of the dependencies that it owns. */
@Injectable()
export class HealthProbes {
  private readonly byName = new Map<string, HealthCheck>();

  /** @param name as in the answer, e.g. `postgres`. */
  add(name: string, check: HealthCheck): void {
    this.byName.set(name, check);
  }

  all(): ReadonlyMap<string, HealthCheck> {
    return this.byName;
  }
}
