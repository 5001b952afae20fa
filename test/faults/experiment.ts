import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { checkConsistency, type ConsistencyReport, consistent } from '#lib/testing/consistency-checker';
import type { FaultyWorld } from '#lib/testing/faulty-world';
import { metricsOf } from '#lib/testing/metrics-of';
import { SendJournal } from '#lib/testing/send-journal';
import { type Operation, type Outage, RECOVERS_WITHIN_MS } from './matrix.js';
import { type Asked, Probes, type Sample } from './probes.js';

/** What one outage looked like. Times in milliseconds. */
export interface Observed {
  /** Answers that came while it lasted, to what was asked then. */
  readonly during: Readonly<Record<Asked, readonly Sample[]>>;
  /** Those of them that were asked when every breaker had had its time to open. */
  readonly once: Readonly<Record<Asked, readonly Sample[]>>;
  /** At its end: messages older than 3 s without vectors, and not delivered, events older than 3 s in the outbox, events set aside. */
  readonly atItsEnd: Backlog;
  /** Attempts that embedding and delivery counted as failed, and dead letters, from before it to after the recovery. */
  readonly failedAttempts: number;
  /** From its end to the first success after the last failure; undefined when there was none in the time of law 3 and half as much again. */
  readonly recoveredAfterMs: Readonly<Record<Operation, number | undefined>>;
  /** What each client was told, compared with what is there, when all had settled. */
  readonly report: ConsistencyReport;
}

interface Backlog {
  readonly unindexed: number;
  readonly undelivered: number;
  readonly unpublished: number;
  readonly parked: number;
}

const ASKED: readonly Asked[] = ['send', 'read', 'search', 'suggest', 'health'];
const CONVERSATIONS = 4;
/** How long health remembers what it found. */
const HEALTH_REMEMBERED_MS = 1_100;
const WHOLE_WITHIN_MS = 20_000;
const SETTLED_WITHIN_MS = 60_000;
/** So many good answers in a row, to each kind of question, that the last failure is behind us. */
const GOOD_IN_A_ROW = 4;

/** Takes a dependency away under light traffic, gives it back, and waits until everything has settled. @throws when Parley was not whole before. */
export async function experiment(world: FaultyWorld, outage: Outage): Promise<Observed> {
  const { parley } = world;
  const client = await parley.client('alice');
  const conversations = await Promise.all(Array.from({ length: CONVERSATIONS }, () => client.createConversation({ memberIds: [] })));
  const journal = new SendJournal();
  const probes = new Probes(
    client,
    conversations.map(({ id }) => id),
    journal,
  );
  try {
    await untilWhole(probes);
    const failedBefore = await failedAttempts(world);
    const giveBack = await world.takeAway(outage.dependency, outage.mode);
    const brokenAt = performance.now();
    await sleep(outage.holdMs); // the outage itself is what is being tested
    const atItsEnd = await backlogOf(parley.databaseUrl);
    const endedAt = performance.now();
    await giveBack();
    const recoveredAfterMs = await recovery(world, probes, performance.now(), RECOVERS_WITHIN_MS[outage.dependency] * 1.5);
    await probes.stop();
    const report = await settled(world, journal);
    return {
      during: samplesOf((operation) =>
        probes.within(operation, operation === 'health' ? brokenAt + HEALTH_REMEMBERED_MS : brokenAt, endedAt),
      ),
      once: samplesOf((operation) => probes.within(operation, brokenAt + outage.opensWithinMs, endedAt)),
      atItsEnd,
      failedAttempts: (await failedAttempts(world)) - failedBefore,
      recoveredAfterMs,
      report,
    };
  } finally {
    await probes.stop().catch(() => undefined); // what made it fail is thrown already
  }
}

function samplesOf(choose: (operation: Asked) => Sample[]): Record<Asked, Sample[]> {
  return { send: choose('send'), read: choose('read'), search: choose('search'), suggest: choose('suggest'), health: choose('health') };
}

const isGood: Readonly<Record<Asked, (sample: Sample) => boolean>> = {
  send: ({ status }) => status === 202,
  read: ({ status }) => status === 200,
  search: ({ status, degraded }) => status === 200 && degraded.length === 0,
  suggest: ({ status, degraded }) => status === 200 && degraded.length === 0,
  health: ({ status, says }) => status === 200 && says === 'ok',
};

/** When the first good answer of the present row of them was there; undefined as long as the row is short. */
function goodSince(operation: Asked, samples: readonly Sample[]): number | undefined {
  const lastBad = samples.findLastIndex((sample) => !isGood[operation](sample));
  const good = samples.slice(lastBad + 1);
  const [first] = good;
  return first !== undefined && good.length >= GOOD_IN_A_ROW ? first.at + first.ms : undefined;
}

async function untilWhole(probes: Probes): Promise<void> {
  const until = performance.now() + WHOLE_WITHIN_MS;
  const missing = () => ASKED.filter((operation) => goodSince(operation, probes.within(operation, 0)) === undefined);
  while (missing().length > 0) {
    if (performance.now() > until) throw new Error(`before the outage this did not work already: ${missing().join(', ')}`);
    await sleep(50);
  }
}

async function recovery({ parley }: FaultyWorld, probes: Probes, from: number, withinMs: number): Promise<Observed['recoveredAfterMs']> {
  const since = new Date(Date.now() - (performance.now() - from));
  let indexedAt: number | undefined;
  let publishedAt: number | undefined;
  let deliveredAt: number | undefined;
  for (;;) {
    const [send, read, search, suggest, health] = ASKED.map((operation) => goodSince(operation, probes.within(operation, from)));
    const passed = await passedSince(parley.databaseUrl, since).catch(() => undefined);
    if (passed?.isIndexed === true) indexedAt ??= performance.now();
    if (passed?.isPublished === true) publishedAt ??= performance.now();
    if (passed?.isDelivered === true) deliveredAt ??= performance.now();
    const all = { send, read, search, suggest, health, consume: indexedAt, deliver: deliveredAt, relay: publishedAt };
    if (performance.now() - from > withinMs || Object.values(all).every((at) => at !== undefined)) {
      const after = (at: number | undefined) => (at === undefined ? undefined : Math.round(at - from));
      return {
        send: after(send),
        read: after(read),
        search: after(search),
        suggest: after(suggest),
        health: after(health),
        consume: after(indexedAt),
        deliver: after(deliveredAt),
        relay: after(publishedAt),
      };
    }
    await sleep(100);
  }
}

async function failedAttempts({ parley }: FaultyWorld): Promise<number> {
  const [embedding, delivery] = await Promise.all([metricsOf(parley.embedding.url), metricsOf(parley.delivery.url)]);
  const failed = (metrics: ReadonlyMap<string, number>, queue: string) =>
    ['retry', 'dead-letter'].reduce(
      (sum, outcome) => sum + (metrics.get(`event_attempts_total{queue="${queue}",outcome="${outcome}"}`) ?? 0),
      0,
    );
  return failed(embedding, 'embedding.messages') + failed(delivery, 'delivery.messages');
}

async function settled({ parley }: FaultyWorld, journal: SendJournal): Promise<ConsistencyReport> {
  const until = performance.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const report = await checkConsistency(parley, journal.entries);
    const isConsistent = Object.keys(consistent).every((name) => report[name as keyof ConsistencyReport].length === 0);
    if (isConsistent || performance.now() > until) return report;
    await sleep(250);
  }
}

/** Past the proxies, of Postgres itself. */
async function ask<Row extends object>(databaseUrl: string, sql: string, values: readonly unknown[] = []): Promise<Row | undefined> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 2_000, query_timeout: 5_000 });
  client.on('error', () => undefined); // the query below already fails with it
  await client.connect();
  try {
    return (await client.query<Row>(sql, [...values])).rows[0];
  } finally {
    await client.end();
  }
}

async function backlogOf(databaseUrl: string): Promise<Backlog> {
  const row = await ask<Backlog>(
    databaseUrl,
    `select (select count(*) from messages m left join message_chunks l on l.message_id = m.id
             where m.created_at < now() - interval '3 s' and l.state is distinct from 'indexed')::int as unindexed,
            (select count(*) from messages m left join message_deliveries d on d.message_id = m.id
             where m.created_at < now() - interval '3 s' and d.state is distinct from 'delivered')::int as undelivered,
            (select count(*) from outbox where created_at < now() - interval '3 s')::int as unpublished,
            (select count(*) from outbox where parked_at is not null)::int as parked`,
  );
  return row ?? { unindexed: 0, undelivered: 0, unpublished: 0, parked: 0 };
}

async function passedSince(
  databaseUrl: string,
  since: Date,
): Promise<{ isIndexed: boolean; isDelivered: boolean; isPublished: boolean } | undefined> {
  return ask(
    databaseUrl,
    `select exists(select 1 from messages m join message_chunks l on l.message_id = m.id
                   where m.created_at > $1 and l.state = 'indexed') as "isIndexed",
            exists(select 1 from messages m join message_deliveries d on d.message_id = m.id
                   where m.created_at > $1 and d.state = 'delivered') as "isDelivered",
            (select count(*) from messages where created_at > $1 and created_at < now() - interval '200 ms')
            > (select count(*) from outbox where created_at > $1 and created_at < now() - interval '200 ms') as "isPublished"`,
    [since],
  );
}
