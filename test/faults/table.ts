import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FaultyDependency, FaultyWorld } from '#lib/testing/faulty-world';
import { complaintsAbout, complaintsAboutLosses, complaintsAboutRecovery } from './complaints.js';
import { experiment, type Observed } from './experiment.js';
import { cellsOf, describeSeen, matrix, type Outage, RECOVERS_WITHIN_MS } from './matrix.js';

/** The whole table takes some ten minutes; every run takes a cut of it. */
const ALL = process.env['PARLEY_LONG_TESTS'] === '1';

/** Tests of the rows of these dependencies, in a world of their own: an outage is mostly waited for, so that two worlds run side by side. */
export function tableOf(dependencies: readonly FaultyDependency[]): void {
  let world: FaultyWorld;
  beforeAll(async () => {
    world = await FaultyWorld.start();
  }, 120_000);
  afterAll(() => world?.stop(), 60_000);

  const rows = matrix.filter(({ dependency }) => dependencies.includes(dependency));
  describe('in every run', () => {
    testsOf(rows.filter(({ isInCut }) => isInCut));
  });
  describe.runIf(ALL)('with PARLEY_LONG_TESTS=1', () => {
    testsOf(rows.filter(({ isInCut }) => !isInCut));
  });

  function testsOf(outages: readonly Outage[]): void {
    describe.each(outages)('$dependency, $mode: $means', (outage) => {
      let observed: Observed;
      beforeAll(async () => {
        observed = await experiment(world, outage);
      }, 240_000);

      it.each(cellsOf(outage).map(([operation, seen]) => [operation, describeSeen(operation, seen)] as const))('%s: %s', (operation) => {
        expect(complaintsAbout(operation, outage, observed)).toEqual([]);
      });

      it(`Parley heals without a restart within ${RECOVERS_WITHIN_MS[outage.dependency] / 1_000} s`, () => {
        expect(complaintsAboutRecovery(outage, observed)).toEqual([]);
      });

      it('Parley loses nothing, repeats nothing, leaves no gap, counts no attempt and dead-letters nothing', () => {
        expect(complaintsAboutLosses(observed)).toEqual([]);
      });
    });
  }
}
