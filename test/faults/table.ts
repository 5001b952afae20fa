import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultyWorld } from '#lib/testing/faulty-world';
import { complaintsAbout, complaintsAboutLosses, complaintsAboutProcesses, complaintsAboutRecovery } from './complaints.js';
import { experiment, type Observed, type Stage } from './experiment.js';
import { matrix } from './matrix.js';
import { cellsOf, describeSeen, type Outage, seconds } from './outage.js';
import { cannotDo } from './process-faults.js';

/** The whole table takes most of an hour; every run takes a cut of it. */
const ALL = process.env['PARLEY_LONG_TESTS'] === '1';

/** Tests of the rows of these subjects, in a world of their own: an outage is mostly waited for, so that two worlds run side by side. */
export function tableOf(
  subjects: readonly string[],
  {
    start = oneWorld,
    cannot,
  }: { start?: () => Promise<Stage> /** Why this machine cannot do any of them. */; cannot?: string | undefined } = {},
): void {
  let stage: Stage;
  beforeAll(async () => {
    stage = await start();
  }, 180_000);
  afterAll(() => stage?.stop(), 60_000);

  const rows = matrix.filter(({ subject }) => subjects.includes(subject));
  for (const [reason, outages] of Map.groupBy(rows, (outage) => cannot ?? whyNot(outage))) {
    describe.skipIf(reason !== undefined)(`run ${reason ?? 'now'}`, () => {
      testsOf(outages);
    });
  }

  function testsOf(outages: readonly Outage[]): void {
    describe.each(outages)('$subject, $mode: $means', (outage) => {
      let observed: Observed;
      beforeAll(async () => {
        observed = await experiment(stage, outage);
      }, 300_000);

      it.each(cellsOf(outage).map(([operation, seen]) => [operation, describeSeen(operation, seen)] as const))('%s: %s', (operation) => {
        expect(complaintsAbout(operation, outage, observed)).toEqual([]);
      });

      it(`Parley heals without a restart within ${seconds(outage.recoversWithinMs)}`, () => {
        expect(complaintsAboutRecovery(outage, observed)).toEqual([]);
      });

      it('no process ends or grows without bound, and none takes its own trouble for an outage', () => {
        expect(complaintsAboutProcesses(observed)).toEqual([]);
      });

      it('Parley loses nothing, repeats nothing, leaves no gap, counts no attempt and dead-letters nothing', () => {
        expect(complaintsAboutLosses(observed)).toEqual([]);
      });
    });
  }
}

async function oneWorld(): Promise<Stage> {
  const world = await FaultyWorld.start({ traces: true });
  return { world, stop: () => world.stop() };
}

/** Why it is skipped; undefined when it is not. */
const whyNot = ({ faults, isInCut }: Outage): string | undefined =>
  faults.map((fault) => ('services' in fault ? cannotDo(fault.mode) : undefined)).find((reason) => reason !== undefined) ??
  (isInCut || ALL ? undefined : 'with PARLEY_LONG_TESTS=1');
