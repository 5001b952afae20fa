import { connect } from 'amqplib';
import { newId } from '#lib/contracts/ids';
import { percentile } from '#lib/testing/percentiles';
import type { RunningParley } from '#lib/testing/running-parley';
import type { Sender } from './load.js';
import { offerMessages } from './steady-load.js';
import { askDatabase, parleySenders } from './targets.js';
import { chatText } from './text.js';

/** What users do while the night is scored, and how often a second: far below what one gateway carries, so that a wait is the night's. */
const OFFERED = { send: 50, end: 5, suggest: 10 } as const;
type Action = keyof typeof OFFERED;

/** P95 of one action without and with the nightly run, in milliseconds: medians of the rounds. */
export interface NightlyFigure {
  readonly action: Action;
  readonly withoutMs: number;
  readonly withMs: number;
  readonly failures: number;
}

/** What {@link measureNightly} found. */
export interface NightlyFigures {
  readonly figures: readonly NightlyFigure[];
  readonly jobs: number;
  /** Jobs that were enqueued when the last round ended. */
  readonly enqueued: number;
  /** Ends of the night that were scored while it was measured. */
  readonly scoredPerSecond: number;
}

/** Turns of each conversation that the night scores. */
const TURNS = 6;

/** A Parley whose schedule is half a day away: the night begins when the bench says so. */
export const nightlyEnvironment = (): Record<string, string> => {
  const hours = String((new Date().getUTCHours() + 12) % 24).padStart(2, '0');
  return { NIGHTLY_AT: `${hours}:00`, NIGHTLY_TIME_ZONE: 'UTC', NIGHTLY_WINDOW_HOURS: '1' };
};

/** The interactive path without and while `jobs` users are scored again, by turns, each with one conversation of six turns. */
export async function measureNightly(
  parley: RunningParley,
  { jobs, rounds, seconds, progress }: { jobs: number; rounds: number; seconds: number; progress: (line: string) => void },
): Promise<NightlyFigures> {
  const senders = await parleySenders(parley, 50);
  await fillEnds(parley.databaseUrl, jobs);
  await untilQuiet(parley.databaseUrl);
  // After one round the processes are still compiling: the first one, without the night, took 1.6 to 3 times as long as the next.
  await offerAll(parley, senders, 3 * seconds);
  const rows: Record<'without' | 'with', Record<Action, number>[]> = { without: [], with: [] };
  let failures = 0;
  let scored = 0;
  await askDatabase(parley.databaseUrl, `INSERT INTO nightly_runs (date, active_since, finished_at) VALUES (current_date, now(), now())`);
  // By turns, so that what else happens on the machine meets both.
  for (let turn = 0; turn < 2 * rounds; turn += 1) {
    const night = turn % 2 === 0 ? 'without' : 'with';
    if (night === 'with') await beginNight(parley.databaseUrl);
    else await endNight(parley);
    const before = await countScored(parley.databaseUrl);
    const offered = await offerAll(parley, senders, seconds);
    const scoredNow = (await countScored(parley.databaseUrl)) - before;
    if (night === 'with') scored += scoredNow;
    rows[night].push(offered.p95);
    failures += offered.failures;
    const waits = Object.entries(offered.p95).map(([action, ms]) => `${action} P95 ${ms} ms`);
    progress(`${night} the night: ${waits.join(', ')}; ${Math.round(scoredNow / seconds)} ends of the night scored/s`);
  }
  const [counts] = await askDatabase<{ enqueued: string }>(
    parley.databaseUrl,
    'SELECT enqueued_users AS enqueued FROM nightly_runs LIMIT 1',
  );
  const median = (night: 'without' | 'with', action: Action) =>
    percentile(
      rows[night].map((row) => row[action]),
      0.5,
    ) ?? 0;
  const figures = (Object.keys(OFFERED) as Action[]).map((action) => ({
    action,
    withoutMs: median('without', action),
    withMs: median('with', action),
    failures,
  }));
  return { figures, jobs, enqueued: Number(counts?.enqueued), scoredPerSecond: scored / (rounds * seconds) };
}

const GOAL = 1.2;

const ratioOf = ({ withoutMs, withMs }: NightlyFigure): number => withMs / Math.max(0.01, withoutMs);

/** Rows for the table of goals. */
export const nightlyTargets = (
  nightly: NightlyFigures | undefined,
): [figure: string, target: string, measured: string, isReached: boolean][] =>
  (nightly?.figures ?? []).map((figure) => [
    `P95 of ${figure.action} beside ${nightly?.jobs} nightly jobs / without them`,
    `<= ${GOAL}`,
    ratioOf(figure).toFixed(2),
    ratioOf(figure) <= GOAL,
  ]);

/** The section of the report. */
export const renderNightly = ({ figures, jobs, enqueued, scoredPerSecond }: NightlyFigures): string =>
  [
    '',
    '## Beside the nightly run',
    '',
    `${jobs} nightly jobs, ${enqueued} of them enqueued, ${scoredPerSecond.toFixed(1)} ends scored a second while it was measured; rounds by turns, medians.`,
    '',
    '| action | offered | P95 without | P95 with | ratio |',
    '| --- | --- | --- | --- | --- |',
    ...figures.map(
      ({ action, withoutMs, withMs, failures }) =>
        `| ${action} | ${OFFERED[action]}/s | ${withoutMs} ms | ${withMs} ms | ${ratioOf({ action, withoutMs, withMs, failures }).toFixed(2)} |`,
    ),
    ...(figures.some(({ failures }) => failures > 0) ? ['', `Refused or unanswered: ${figures[0]?.failures}`] : []),
    '',
  ].join('\n');

async function offerAll(parley: RunningParley, senders: readonly Sender[], seconds: number) {
  const to = (path: string) => senders.map(({ headers }) => ({ path, headers }));
  const at = new Date().toISOString();
  const end = () => ({
    conversationId: `ended-${newId()}`,
    startTime: at,
    endTime: at,
    conversationLog: Array.from({ length: 20 }, (_, i) => ({ role: i % 2 === 0 ? 'user' : 'bot', content: chatText() })),
  });
  const offer = { baseUrl: parley.url, seconds, content: chatText };
  const [send, ended, suggest] = await Promise.all([
    offerMessages({ ...offer, senders, perSecond: OFFERED.send }),
    offerMessages({
      ...offer,
      senders: to('/v1/conversations/end'),
      perSecond: OFFERED.end,
      body: (i) => ({ ...end(), userId: `bench-${i}` }),
    }),
    offerMessages({ ...offer, senders: to('/v1/activities/suggest'), perSecond: OFFERED.suggest, body: (i) => ({ userId: `bench-${i}` }) }),
  ]);
  const failures = [send, ended, suggest].reduce((sum, { failures: each }) => sum + Object.values(each).reduce((a, b) => a + b, 0), 0);
  return { p95: { send: send.p95Ms, end: ended.p95Ms, suggest: suggest.p95Ms }, failures };
}

const QUEUE = 'scoring.rescores';
const WAIT_MS = 120_000;

/** Lets the night go on where it was. Resolves when ends of it are scored: before that a page of users is worked off, which is little work. */
async function beginNight(databaseUrl: string): Promise<void> {
  await askDatabase(databaseUrl, 'UPDATE nightly_runs SET finished_at = NULL');
  const before = await countScored(databaseUrl);
  await until('the night scores', async () => (await countScored(databaseUrl)) > before + 10);
}

/** Has no more users enqueued, and drops those who wait. Resolves when nothing of the night is scored any more. */
async function endNight({ databaseUrl, rabbitmqUrl }: RunningParley): Promise<void> {
  await askDatabase(databaseUrl, 'UPDATE nightly_runs SET finished_at = now()');
  const connection = await connect(rabbitmqUrl, { timeout: 5_000 });
  try {
    const channel = await connection.createChannel();
    let before = -1;
    await until('nothing of the night is left', async () => {
      await channel.purgeQueue(QUEUE);
      const now = await countScored(databaseUrl);
      const isQuiet = now === before;
      before = now;
      return isQuiet;
    });
  } finally {
    await connection.close();
  }
}

async function countScored(databaseUrl: string): Promise<number> {
  const [row] = await askDatabase<{ count: string }>(databaseUrl, `SELECT count(*) FROM score_changes WHERE user_id LIKE 'night-%'`);
  return Number(row?.count ?? 0);
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + WAIT_MS;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${WAIT_MS / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
}

/** A user, a conversation and its end for each job, written straight into Postgres: 10,000 conversations over HTTP would take longer than the bench. */
async function fillEnds(databaseUrl: string, jobs: number): Promise<void> {
  const statements = [
    `CREATE TABLE nights AS SELECT i, gen_random_uuid() AS id, 'night-' || i AS user_id FROM generate_series(1, ${jobs}) AS i`,
    `INSERT INTO conversations (id, head_seq, created_at, last_activity_at, creator_id) SELECT id, ${TURNS}, now(), now(), user_id FROM nights`,
    `INSERT INTO conversation_members (conversation_id, user_id) SELECT id, user_id FROM nights`,
    `INSERT INTO messages (id, conversation_id, seq, created_at, sender_id, content)
       SELECT gen_random_uuid(), id, seq, now() - interval '2 hours', user_id, 'what do you think of the weather today, number ' || seq
         FROM nights, generate_series(1, ${TURNS}) AS seq`,
    `INSERT INTO conversation_ends (id, start_time, end_time, from_seq, through_seq, user_id, conversation_id, event_id, body_hash)
       SELECT gen_random_uuid(), now(), now(), 1, ${TURNS}, user_id, id, id, id FROM nights`,
    'DROP TABLE nights',
    'ANALYZE',
  ];
  for (const statement of statements) await askDatabase(databaseUrl, statement);
}

/** Waits until the words of what was written are indexed. */
async function untilQuiet(databaseUrl: string): Promise<void> {
  const endsAt = performance.now() + 300_000;
  while (performance.now() < endsAt) {
    const [row] = await askDatabase<{ count: string }>(databaseUrl, 'SELECT count(*) FROM texts_to_index');
    if (Number(row?.count) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  throw new Error('texts are still not indexed after five minutes');
}
