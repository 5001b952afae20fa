import type { DependencyName } from '#lib/contracts/dependencies';
import type { HealthProbe } from '#lib/runtime/health/health';
import type { Breakers } from './breakers.js';

/** The health probe of a dependency, with the state of its breakers. @param options.isVital nothing can be accepted without it. */
export const dependencyProbe = (
  name: DependencyName,
  breakers: Breakers,
  check: HealthProbe['check'],
  { isVital = false }: { readonly isVital?: boolean } = {},
): HealthProbe => ({ name, check, isVital, breaker: () => ({ state: breakers.stateOf(name), since: breakers.sinceOf(name) }) });
