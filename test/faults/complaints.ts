import { consistent } from '#lib/testing/consistency-checker';
import { percentile } from '#lib/testing/percentiles';
import type { Observed, Worker } from './experiment.js';
import { type Answered, type Operation, type Outage, RECOVERS_WITHIN_MS, type Worked } from './matrix.js';
import type { Asked, Sample } from './probes.js';

/**
 * Test machines are shared and small. A law of 20 or 200 ms is held to the order of magnitude here; `npm run chaos` measures it.
 * What ends by a limit of ours (503 after 5.5 s) only gets the time that a busy event loop may add.
 */
const NOISE = { fastMs: 1_000, limitMs: 1_000, recoveryMs: 5_000 } as const;
/** Trials of a half-open breaker take as long as a first failure; there is one every ten seconds, in each lane. */
const SHARE_OF_TRIALS = 0.1;

/** What was not as the cell says, one line each. */
export const complaintsAbout = (operation: Operation, { cells, dependency }: Outage, observed: Observed): string[] => {
  const seen = cells[operation];
  if (seen === undefined) return [];
  if (seen.kind === 'answered') return aboutAnswers(operation as Asked, seen, observed);
  return aboutWork(operation, seen, observed, dependency === 'postgres');
};

/** What took too long to work again, or never did. */
export const complaintsAboutRecovery = ({ dependency }: Outage, { recoveredAfterMs }: Observed): string[] => {
  const limitMs = RECOVERS_WITHIN_MS[dependency] + NOISE.recoveryMs;
  return Object.entries(recoveredAfterMs).flatMap(([operation, ms]) =>
    ms !== undefined && ms <= limitMs ? [] : [`${operation} ${ms === undefined ? 'did not recover' : `recovered after ${ms} ms`}`],
  );
};

/** What was lost, repeated, left out or counted against a message that did nothing wrong. */
export const complaintsAboutLosses = ({ report, failedAttempts }: Observed): string[] => [
  ...Object.keys(consistent).flatMap((name) => report[name as keyof typeof report].map((line) => `${name}: ${line}`)),
  ...(failedAttempts === 0 ? [] : [`${failedAttempts} failed attempts were counted`]),
];

function aboutAnswers(operation: Asked, { status, degraded, says, firstMs, thenMs }: Answered, { during, once }: Observed): string[] {
  const all = during[operation];
  const later = once[operation];
  const p90 = percentile(
    later.map(({ ms }) => ms),
    1 - SHARE_OF_TRIALS,
  );
  const fastMs = Math.max(thenMs, NOISE.fastMs);
  return [
    ...(later.length > 1 ? [] : [`only ${later.length} answers when the breakers had had their time`]),
    ...only(all, (sample) => sample.status !== status, `not ${status}`),
    ...(degraded === undefined
      ? []
      : only(all, (sample) => sample.degraded.join() !== degraded.join(), `not degraded by [${degraded.join()}]`)),
    ...(says === undefined || later.some((sample) => sample.says === says) ? [] : [`never said ${says}`]),
    ...only(all, ({ ms }) => ms > firstMs + NOISE.limitMs, `slower than ${firstMs} ms`),
    ...(p90 === undefined || p90 <= fastMs ? [] : [`${Math.round(p90)} ms is what nine of ten took at last, not ${fastMs}`]),
  ];
}

function aboutWork(operation: Operation, { kind }: Worked, { atItsEnd }: Observed, isWithoutPostgres: boolean): string[] {
  const { unindexed, undelivered, unpublished, unscored, unstored } = atItsEnd;
  const left = { consume: unindexed, deliver: undelivered, relay: unpublished, score: unscored, store: unstored }[operation as Worker];
  const complaints = atItsEnd.parked === 0 ? [] : [`${atItsEnd.parked} events were set aside`];
  if (kind === 'goes on' && left > 0) complaints.push(`${left} were left over for more than 3 s`);
  // Without Postgres nothing new is accepted that could wait.
  if (kind === 'waits' && left === 0 && !isWithoutPostgres) complaints.push('nothing waited');
  return complaints;
}

function only(samples: readonly Sample[], isWrong: (sample: Sample) => boolean, what: string): string[] {
  const wrong = samples.filter(isWrong);
  const [first] = wrong;
  if (first === undefined) return [];
  const { status, ms, degraded } = first;
  return [`${wrong.length} of ${samples.length} ${what}, the first: ${status} [${degraded.join()}] after ${Math.round(ms)} ms`];
}
