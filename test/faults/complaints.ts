import { consistent } from '#lib/testing/consistency-checker';
import { leftBy, type Observed, type Worker } from './experiment.js';
import type { Answered, Operation, Outage, Worked } from './outage.js';
import type { Asked, Sample } from './probes.js';

/**
 * Test machines are shared and small. A law of 20 or 200 ms is held to the order of magnitude here; `npm run chaos` measures it.
 * What ends by a limit of ours (503 after 5.5 s) only gets the time that a busy event loop may add.
 */
const NOISE = { fastMs: 1_500, limitMs: 2_000, recoveryMs: 5_000 } as const;
/** A process that just began grows by some tens of MiB anyway; what is kept of an outage without a bound grows by hundreds. */
const GROWTH_MIB = 150;
/** Trials of a half-open breaker take as long as a first failure; there is one every ten seconds, in each lane. Of few answers one may be such. */
const SHARE_OF_TRIALS = 0.1;

/** What was not as the cell says, one line each. */
export const complaintsAbout = (operation: Operation, { cells }: Outage, observed: Observed): string[] => {
  const seen = cells[operation];
  if (seen === undefined) return [];
  if (seen.kind === 'answered') return aboutAnswers(operation as Asked, seen, observed);
  const isRefusing = cells.send.kind === 'answered' && cells.send.status === 503;
  return aboutWork(operation, seen, observed, isRefusing);
};

/** What took too long to work again, or never did. */
export const complaintsAboutRecovery = ({ recoversWithinMs, faults }: Outage, { recoveredAfterMs, postedAlerts }: Observed): string[] => {
  const limitMs = recoversWithinMs + NOISE.recoveryMs;
  const late = Object.entries(recoveredAfterMs).flatMap(([operation, ms]) =>
    ms !== undefined && ms <= limitMs ? [] : [`${operation} ${ms === undefined ? 'did not recover' : `recovered after ${ms} ms`}`],
  );
  const hasWebhook = faults.some((fault) => 'dependency' in fault && fault.dependency === 'webhook' && fault.mode === 'refused');
  return hasWebhook && postedAlerts === 0 ? [...late, 'no alert was posted when the webhook was back'] : late;
};

/** Processes that ended, grew without bound, or took their own trouble for an outage of others. */
export const complaintsAboutProcesses = ({ endedProcesses, grownMiB, openedBreakers }: Observed): string[] => [
  ...endedProcesses.map((name) => `${name} ended`),
  ...Object.entries(grownMiB).flatMap(([name, mib]) => (mib > GROWTH_MIB ? [`${name} grew by ${mib} MiB`] : [])),
  ...openedBreakers.map((breaker) => `the breaker of ${breaker} opened`),
];

/** What was lost, repeated, left out or counted against a message that did nothing wrong. */
export const complaintsAboutLosses = ({ report, failedAttempts }: Observed): string[] => [
  ...Object.keys(consistent).flatMap((name) => report[name as keyof typeof report].map((line) => `${name}: ${line}`)),
  ...(failedAttempts === 0 ? [] : [`${failedAttempts} failed attempts were counted`]),
];

function aboutAnswers(operation: Asked, { status, or, degraded, says, firstMs, thenMs }: Answered, { during, once }: Observed): string[] {
  const all = during[operation];
  const later = once[operation];
  const fastMs = Math.max(thenMs, NOISE.fastMs);
  const slow = later.filter(({ ms }) => ms > fastMs);
  return [
    ...(later.length > 1 ? [] : [`only ${later.length} answers when the breakers had had their time`]),
    ...only(all, (sample) => sample.status !== status && sample.status !== or, `not ${status}`),
    ...(or === undefined || all.some((sample) => sample.status === status) ? [] : [`never ${status}`]),
    ...(degraded === undefined
      ? []
      : only(all, (sample) => sample.status !== or && sample.degraded.join() !== degraded.join(), `not degraded by [${degraded.join()}]`)),
    ...(says === undefined || later.some((sample) => sample.says === says) ? [] : [`never said ${says}, but ${whatWasSaid(later)}`]),
    ...only(all, ({ ms }) => ms > firstMs + NOISE.limitMs, `slower than ${firstMs} ms`),
    ...(slow.length > Math.max(1, later.length * SHARE_OF_TRIALS)
      ? [`${slow.length} of ${later.length} were slower than ${fastMs} ms at last: ${slow.map(({ ms }) => Math.round(ms)).join()} ms`]
      : []),
  ];
}

const whatWasSaid = (samples: readonly Sample[]): string =>
  [...new Set(samples.map(({ says, notWell }) => `${says} (${notWell.join(', ')})`))].join('; ');

function aboutWork(operation: Operation, { kind }: Worked, { atItsEnd, later }: Observed, isRefusing: boolean): string[] {
  const left = leftBy[operation as Worker];
  const complaints = later.parked === 0 ? [] : [`${later.parked} events were set aside`];
  if (kind === 'goes on' && later[left] > 0) complaints.push(`${later[left]} were left over, of ${atItsEnd[left]} that were late`);
  // Where sends are refused there is nothing new that could wait.
  if (kind === 'waits' && atItsEnd[left] === 0 && !isRefusing) complaints.push('nothing waited');
  return complaints;
}

function only(samples: readonly Sample[], isWrong: (sample: Sample) => boolean, what: string): string[] {
  const wrong = samples.filter(isWrong);
  const [first] = wrong;
  if (first === undefined) return [];
  const { status, ms, degraded } = first;
  return [`${wrong.length} of ${samples.length} ${what}, the first: ${status} [${degraded.join()}] after ${Math.round(ms)} ms`];
}
