import type { ConsistencyReport, RunCounts } from '#lib/testing/consistency-checker';
import { type Capacity, HEAD_ROOM_SHARE } from './capacity.js';
import type { LiveReport } from './live-truth.js';
import type { Recovery } from './observe.js';
import type { Percentiles } from '#lib/testing/percentiles';

/** What was seen of one fault, or of two at once. */
export interface FaultFigures {
  readonly fault: string;
  readonly atSecond: number;
  readonly heldSeconds: number;
  /** Of the sends that were answered 202, in milliseconds. */
  readonly ack: Percentiles;
  /** Of the edits and deletions that were acknowledged, in milliseconds. */
  readonly changed: Percentiles;
  /** Of the sends that were refused with 503 or 429, in milliseconds. */
  readonly refused: Percentiles;
  /** How many sends, edits and deletions were refused, by status and code. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Those of them that came when the breaker was open: from where twenty in a row took less than 100 ms each. */
  readonly refusedOpen: Percentiles;
  /** Sends without an answer: the gateway itself was away. */
  readonly unanswered: number;
  /** Answers to sends, edits and deletions that no client should ever see, by status. */
  readonly wrong: Readonly<Record<string, number>>;
  /** From the answer to the last member's socket, in milliseconds. */
  readonly delivered: Percentiles;
  readonly search: { readonly whole: number; readonly degraded: number; readonly refused: number; readonly p95: number };
  /** Milliseconds; null = not within the time it was given. */
  readonly firstSuccessMs: number | null;
  readonly firsts: Recovery['firsts'];
  readonly wholeMs: number | null;
  /** What was missing when the time for being whole was over. */
  readonly lacks: readonly string[];
  readonly recoverWithinMs: number;
  /** Resident memory of our processes in MiB: before the fault, at its end, and when all was whole again. */
  readonly memoryMiB: Readonly<Record<string, readonly number[]>>;
  /** Whether law 2 applies: nothing on the way to the 202 was touched. */
  readonly mustAccept: boolean;
}

/** Everything of one run of `npm run chaos`. */
export interface ChaosResults {
  readonly startedAt: string;
  readonly command: string;
  readonly machine: string;
  readonly commit: string;
  readonly seed: number;
  readonly seconds: number;
  /** All faults were chosen by the seed (`--long`). */
  readonly isRandom: boolean;
  readonly perSecond: number;
  /** What the machine carries of this load; null when the rate was given. */
  readonly capacity: Capacity | null;
  readonly users: number;
  readonly baseline: Percentiles;
  readonly baselineDelivered: Percentiles;
  readonly faults: readonly FaultFigures[];
  readonly counts: RunCounts;
  readonly settledSeconds: number;
  readonly problems: ConsistencyReport;
  /** What members' clients showed that they should not, and did not show. */
  readonly live: LiveReport;
  /** Connections of the members' clients in all, and messages, edits and deletions that these showed. */
  readonly liveCounts: { readonly members: number; readonly connections: number; readonly shown: number };
  /** What searches showed that was not so, during the run and at its end. */
  readonly falseSearches: readonly string[];
  readonly searchCount: number;
  readonly peakMemoryMiB: Readonly<Record<string, number>>;
}

/** Law 2. */
const ACK_P95_MS = 200;
const FIRST_REFUSAL_MS = 5_500;
const OPEN_REFUSAL_MS = 20;

/** What must never happen, whatever fails. A run that has one of these ends with exit code 1. */
export const brokenPromises = ({ counts, faults, falseSearches, live }: ChaosResults): string[] => {
  const promises = {
    'acknowledged and lost': counts.lost,
    'changes acknowledged and lost': counts.changesLost,
    'searches that showed what was not so': falseSearches.length,
    duplicated: counts.duplicated,
    'messages that a member was not shown': live.missing.length,
    'messages that a member was shown twice': live.duplicated.length,
    'messages that a member was shown out of order': live.outOfOrder.length,
    'messages that a member has in an old version': live.stale.length,
    'messages whose delivery is not done': live.undelivered.length,
    'wrong receipts and unread counts': live.receipts.length,
    unexpected: counts.unexpected,
    'conversations with gaps': counts.gaps,
    'dead letters': counts.deadLetters,
    'wrong vectors': counts.wrongVectors,
    'wrong signals': counts.wrongSignals,
    'left in limbo': counts.inLimbo,
    'never acknowledged': counts.unknown,
    'answers other than 200, 202, 204, 429 and 503': faults.reduce(
      (sum, { wrong }) => sum + Object.values(wrong).reduce((a, b) => a + b, 0),
      0,
    ),
  };
  return Object.entries(promises).flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : []));
};

/** Laws 2 and 3 with their numbers: figures of this machine, reported and not part of the exit code. */
export const missedFigures = ({ faults }: ChaosResults): string[] =>
  faults.flatMap(
    ({ fault, mustAccept, ack, refused, refusedOpen, unanswered, firsts, firstSuccessMs, recoverWithinMs, wholeMs, lacks }) => [
      ...(wholeMs === null ? [`${fault}: never whole (${lacks.join('; ')})`] : []),
      ...(mustAccept && ack.p95 >= ACK_P95_MS ? [`${fault}: ACK P95 ${ack.p95} ms, not < ${ACK_P95_MS}`] : []),
      ...(mustAccept && refused.count + unanswered > 0 ? [`${fault}: ${refused.count + unanswered} sends were not accepted`] : []),
      ...(refused.max > FIRST_REFUSAL_MS ? [`${fault}: 503 after ${refused.max} ms, not within ${FIRST_REFUSAL_MS}`] : []),
      ...(refusedOpen.p95 > OPEN_REFUSAL_MS
        ? [`${fault}: 503 with the breaker open took ${refusedOpen.p95} ms (P95), not ${OPEN_REFUSAL_MS}`]
        : []),
      ...(firstSuccessMs === null || firstSuccessMs > recoverWithinMs
        ? [
            `${fault}: first success after ${inSeconds(firstSuccessMs)}, not within ${recoverWithinMs / 1_000} s (${Object.entries(firsts)
              .map(([what, ms]) => `${what} ${inSeconds(ms ?? null)}`)
              .join(', ')})`,
          ]
        : []),
    ],
  );

/** Milliseconds as seconds with one digit. */
export const inSeconds = (ms: number | null): string => (ms === null ? 'never' : `${(ms / 1_000).toFixed(1)} s`);

/** `test/bench/results/chaos.md`. */
export const renderChaos = (results: ChaosResults): string => {
  const { counts, faults, baseline, baselineDelivered, peakMemoryMiB, live, liveCounts } = results;
  const broken = brokenPromises(results);
  const missed = missedFigures(results);
  return `# Chaos${results.isRandom ? ', at random' : ''}

\`${results.command}\` (seed ${results.seed}), ${results.startedAt}, commit ${results.commit}, ${Math.round(results.seconds)} s.
${results.machine}.${capacityLine(results)}

${results.perSecond} messages/s from ${results.users} users, two thirds over two gateways and one third over sockets on two realtime processes, each message with an idempotency key and tried until it was acknowledged, a fifth of them edited and
a twentieth deleted moments later, two indexers behind them, and a reader who searched all the time, while ${results.isRandom ? 'one to three things at a time went wrong, at random' : 'one thing after another went wrong, then two at a time'}. Parley reached
every dependency through a proxy; servers and services were real processes. At the end Postgres, Chroma and every queue were read directly and compared with what each client had
been told: texts, versions, and of edited messages whether the vectors are those of the newest text.

**${broken.length === 0 ? 'Nothing was lost, repeated, left out or dead-lettered.' : `Broken: ${broken.join(', ')}.`}**

| attempted | acknowledged | ok | lost | duplicated | unexpected | recovered | unknown | gaps | wrong vectors | wrong signals | dead letters | in limbo |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| ${[counts.attempted, counts.acknowledged, counts.ok, counts.lost, counts.duplicated, counts.unexpected, counts.recovered, counts.unknown, counts.gaps, counts.wrongVectors, counts.wrongSignals, counts.deadLetters, counts.inLimbo].join(' | ')} |

| edits | acknowledged | deletions | acknowledged | changes lost | searches | that showed what was not so |
| --- | --- | --- | --- | --- | --- | --- |
| ${[counts.edits, counts.editsAcknowledged, counts.deletions, counts.deletionsAcknowledged, counts.changesLost, results.searchCount, results.falseSearches.length].join(' | ')} |

| members | connections | messages, edits and deletions shown | missing | twice | out of order | old version | delivery not done | wrong receipts |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| ${[liveCounts.members, liveCounts.connections, liveCounts.shown, live.missing.length, live.duplicated.length, live.outOfOrder.length, live.stale.length, live.undelivered.length, live.receipts.length].join(' | ')} |

Every member reads all conversations with the client of \`clients/typescript\`; its log is compared with Postgres, message by message.

*recovered*: acknowledged by a later try with the same key after one whose outcome was in doubt. *unknown*: never acknowledged.
Everything had settled ${results.settledSeconds.toFixed(1)} s after the last message.

## Per fault

Before any fault: ACK P50 ${baseline.p50} ms, P95 ${baseline.p95} ms, P99 ${baseline.p99} ms, last member P50 ${baselineDelivered.p50} ms, P95 ${baselineDelivered.p95} ms. Times in milliseconds unless said otherwise; *refused* are 503 and 429.
*Last member*: from the answer until the last socket had the message. *First success*: a send accepted, a search with all its parts, a new message indexed and one delivered to all members, whichever came last, counted from the end of the fault
(a killed process: from when it was ready again). *Whole*: no backlog left. *By code*: refused sends, edits and deletions.

| fault | held | ACK P50 | P95 | P99 | 202 | edits and deletions P95 | refused | longest | by code | P95, breaker open | no answer | last member P50 / P95 | search whole / degraded / refused | first success | limit | whole | MiB before → end → whole |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${faults.map(rowOf).join('\n')}

${missed.length === 0 ? 'All figures of the laws were reached.' : `Figures of the laws that were missed on this machine:\n\n${missed.map((line) => `- ${line}`).join('\n')}`}

## Peak memory

| process | MiB resident |
| --- | --- |
${Object.entries(peakMemoryMiB)
  .map(([name, mib]) => `| ${name} | ${mib} |`)
  .join('\n')}
`;
};

/** How the rate was chosen. */
export const capacityLine = ({ capacity, perSecond }: Pick<ChaosResults, 'capacity' | 'perSecond'>): string => {
  if (capacity === null) return '';
  const { trialPerSecond, idleShare, busyShare } = capacity;
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const carries = `it carries some ${capacity.perSecond} messages/s of this load`;
  const share = perSecond / Math.max(1, capacity.perSecond);
  const offers =
    share > HEAD_ROOM_SHARE ? `the run offers ${perSecond}, the least that it can; there is no head room` : `the run offers ${perSecond}`;
  return ` At ${trialPerSecond} messages/s ${percent(busyShare)} of its cores were busy, before that ${percent(idleShare)}: ${carries}, and ${offers}.`;
};

const rowOf = (figures: FaultFigures): string => {
  const {
    fault,
    heldSeconds,
    ack,
    changed,
    refused,
    refusedOpen,
    unanswered,
    delivered,
    search,
    memoryMiB,
    firstSuccessMs,
    wholeMs,
    recoverWithinMs,
  } = figures;
  return `| ${[
    fault,
    `${heldSeconds.toFixed(1)} s`,
    ack.p50,
    ack.p95,
    ack.p99,
    ack.count,
    changed.p95,
    refused.count,
    refused.max,
    Object.entries(figures.refusals)
      .map(([answer, count]) => `${answer}: ${count}`)
      .join(', '),
    refusedOpen.p95,
    unanswered,
    `${delivered.p50} / ${delivered.p95}`,
    `${search.whole} / ${search.degraded} / ${search.refused}`,
    inSeconds(firstSuccessMs),
    `${recoverWithinMs / 1_000} s`,
    inSeconds(wholeMs),
    Object.entries(memoryMiB)
      .map(([name, course]) => `${name} ${course.join(' → ')}`)
      .join('; '),
  ].join(' | ')} |`;
};
