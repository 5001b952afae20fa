import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { checkConsistency, type ConsistencyReport, consistent } from '#lib/testing/consistency-checker';
import { type FaultyWorld, LOCKED_TITLE } from '#lib/testing/faulty-world';
import { processes } from '#lib/devstack/services';
import { metricsOf } from '#lib/testing/metrics-of';
import { SendJournal } from '#lib/testing/send-journal';
import { servicesMiB } from '../chaos/observe.js';
import { cellsOf, type Fault, type Operation, type Outage } from './outage.js';
import { type Asked, conversationsWith, everyAsked, Probes, type Sample } from './probes.js';
import type { MovedClocks } from './moved-clocks.js';
import { hurt } from './process-faults.js';
import type { SmallDisks } from './small-disks.js';

/** What one outage looked like. Times in milliseconds. */
export interface Observed {
  /** Answers that came while it lasted, to what was asked then. */
  readonly during: Readonly<Record<Asked, readonly Sample[]>>;
  /** Those of them that were asked when every breaker had had its time to open. */
  readonly once: Readonly<Record<Asked, readonly Sample[]>>;
  /** At its end, older than 3 s: messages without vectors, or not delivered, ends of conversations without a score, logs outside of the object store, messages whose device was not told, events in the outbox; and events set aside. */
  readonly atItsEnd: Backlog;
  /** The same work {@link LATE_MS} later, or when all that goes on was done; the outage still lasts. */
  readonly later: Backlog;
  /** Attempts that embedding, delivery and scoring counted as failed, and dead letters, from before it to after the recovery. */
  readonly failedAttempts: number;
  /** From its end to the first success after the last failure; undefined when there was none in the time of law 3 and half as much again. */
  readonly recoveredAfterMs: Readonly<Partial<Record<Operation, number | undefined>>>;
  /** Breakers that were not closed at its end or right after it, as `gateway: chroma`. */
  readonly openedBreakers: readonly string[];
  /** Processes that are not the ones of before. */
  readonly endedProcesses: readonly string[];
  /** By how much the resident memory of each process was larger after it than before, in MiB. */
  readonly grownMiB: Readonly<Record<string, number>>;
  /** That the webhook took, from before it to when all had settled. */
  readonly postedAlerts: number;
  /** What each client was told, compared with what is there, when all had settled. */
  readonly report: ConsistencyReport;
}

/** A world, and what rows about disks and clocks need besides. */
export interface Stage {
  readonly world: FaultyWorld;
  readonly disks?: SmallDisks;
  readonly clocks?: MovedClocks;
  readonly stop: () => Promise<void>;
}

/** Operations in the background. */
export type Worker = Exclude<Operation, Asked>;

interface Backlog {
  readonly unindexed: number;
  readonly undelivered: number;
  readonly unscored: number;
  readonly unstored: number;
  readonly unpublished: number;
  readonly parked: number;
  readonly unpushed: number;
}

/** Where a backlog says what one kind of work has left over. */
export const leftBy = {
  consume: 'unindexed',
  deliver: 'undelivered',
  relay: 'unpublished',
  score: 'unscored',
  store: 'unstored',
  push: 'unpushed',
} as const satisfies Record<Worker, keyof Backlog>;

const isAsked = (operation: Operation): operation is Asked => everyAsked.includes(operation as Asked);
const CONVERSATIONS = 4;
const NO_BACKLOG = { unindexed: 0, undelivered: 0, unscored: 0, unstored: 0, unpublished: 0, parked: 0 } as const;
/** Work is due after so long, in milliseconds. */
const DUE_MS = 3_000;
/** Work that goes on may be late on a busy machine: what was due at the end of an outage has so much longer, and the outage lasts on. */
const LATE_MS = 15_000;
/** Health remembers for 1 s what it found; a look that began before the outage may end after it has begun. */
const HEALTH_REMEMBERED_MS = 2_000;
const WHOLE_WITHIN_MS = 40_000;
const SETTLED_WITHIN_MS = 60_000;
/** So many good answers in a row, to each kind of question, that the last failure is behind us. */
const GOOD_IN_A_ROW = 4;

/** Takes a dependency away under light traffic, gives it back, and waits until everything has settled. @throws when Parley was not whole before. */
export async function experiment(stage: Stage, outage: Outage): Promise<Observed> {
  const { world } = stage;
  const { parley } = world;
  const client = await parley.client('alice');
  const conversations = await Promise.all(Array.from({ length: CONVERSATIONS }, () => client.createConversation({ memberIds: [] })));
  const journal = new SendJournal();
  const looked = cellsOf(outage).map(([operation]) => operation);
  const asked = everyAsked.filter((operation) => looked.includes(operation));
  const there = looked.includes('send there') ? await client.createConversation({ title: LOCKED_TITLE, memberIds: [] }) : undefined;
  const probes = new Probes({
    client,
    conversationIds: conversations.map(({ id }) => id),
    there: there && { conversationId: there.id, senders: outage.sendersThere ?? 1 },
    pushed: looked.includes('push') ? await conversationsOfDevice(world) : [],
    liveUrls: servicesOf(world).map(([, { url }]) => url),
    journal,
    asked,
  });
  try {
    await untilWhole(probes, asked);
    const failedBefore = await failedAttempts(world);
    const [pidsBefore, memoryBefore] = [pidsOf(world), servicesMiB(world)];
    const openBefore = await openBreakers(world);
    const postedBefore = world.posted.count;
    const { brokenAt, atItsEnd, later, opened, endedAt } = await endure(stage, outage, probes);
    const openedBreakers = outage.opensNoBreaker === true ? [...opened, ...(await openBreakers(world))] : [];
    const recoveredAfterMs = await recovery(world, probes, looked, outage.recoversWithinMs * 1.5);
    await probes.stop();
    const report = await settled(world, journal);
    const memoryAfter = servicesMiB(world);
    return {
      during: samplesOf((operation) =>
        probes.within(operation, operation === 'health' ? brokenAt + HEALTH_REMEMBERED_MS : brokenAt, endedAt),
      ),
      once: samplesOf((operation) => probes.within(operation, brokenAt + outage.opensWithinMs, endedAt)),
      atItsEnd,
      later,
      failedAttempts: (await failedAttempts(world)) - failedBefore,
      recoveredAfterMs,
      // A breaker of an outage before this one may still wait for its trial.
      openedBreakers: [...new Set(openedBreakers)].filter((breaker) => !openBefore.includes(breaker)),
      endedProcesses: Object.entries(pidsBefore).flatMap(([name, pid]) => (pidsOf(world)[name] === pid ? [] : [name])),
      grownMiB: Object.fromEntries(Object.entries(memoryBefore).map(([name, mib]) => [name, (memoryAfter[name] ?? 0) - mib])),
      postedAlerts: world.posted.count - postedBefore,
      report,
    };
  } finally {
    await probes.stop().catch(() => undefined); // what made it fail is thrown already
  }
}

/** Lets it happen, waits while it lasts, looks at what is left over at its end, and gives back what was taken. */
async function endure(stage: Stage, outage: Outage, probes: Probes) {
  const giveBack = await takeAll(stage, outage);
  const brokenAt = performance.now();
  try {
    await sleep(outage.holdMs); // the outage itself is what is being tested
    return { brokenAt, ...(await lookAtEnd(stage.world, outage, probes, brokenAt)), endedAt: performance.now() };
  } finally {
    // In any case: the rows that follow have the same world.
    await giveBack();
  }
}

/** What is left over, and which breakers are open. */
async function lookAtEnd(world: FaultyWorld, outage: Outage, probes: Probes, brokenAt: number) {
  const dueBefore = { time: new Date(Date.now() - DUE_MS), at: performance.now() - DUE_MS };
  const look = async () => ({
    ...(await backlogAt(world.parley.databaseUrl, outage, dueBefore.time)),
    unpushed: unpushedOf(world, probes, brokenAt, dueBefore.at),
  });
  const goingOn = cellsOf(outage).flatMap(([operation, { kind }]) => (kind === 'goes on' ? [leftBy[operation as Worker]] : []));
  const atItsEnd = await look();
  let later = atItsEnd;
  for (const until = performance.now() + LATE_MS; goingOn.some((left) => later[left] > 0) && performance.now() < until; ) {
    await sleep(250);
    later = await look();
  }
  const opened = outage.opensNoBreaker === true ? await openBreakers(world) : [];
  return { atItsEnd, later, opened };
}

/** Lets all of it happen. @returns gives it back, one after another. */
async function takeAll({ world, disks, clocks }: Stage, { faults, backEveryMs = 0 }: Outage): Promise<() => Promise<void>> {
  const take = (fault: Fault): Promise<() => Promise<void>> => {
    if ('dependency' in fault) return world.takeAway(fault.dependency, fault.mode);
    if ('services' in fault) return hurt(world, fault.services, fault.mode);
    if ('disk' in fault) return disks === undefined ? Promise.reject(new Error('this world has no small disks')) : disks.fill(fault.disk);
    return clocks === undefined ? Promise.reject(new Error('the clocks of this world cannot be moved')) : clocks.move(fault.clockSeconds);
  };
  const giveBacks: (() => Promise<void>)[] = [];
  const giveAllBack = async () => {
    for (const [i, giveBack] of giveBacks.entries()) {
      if (i > 0) await sleep(backEveryMs); // what is back early has to wait for the rest
      await giveBack();
    }
  };
  try {
    for (const fault of faults) giveBacks.push(await take(fault));
  } catch (error) {
    await giveAllBack();
    throw error;
  }
  return giveAllBack;
}

/** With a member who has a device and is never online. */
async function conversationsOfDevice({ parley }: FaultyWorld): Promise<string[]> {
  const [sender, member] = await Promise.all([parley.client('alice'), parley.client('bob')]);
  const answer = await member.request('PUT', '/v1/devices/phone', { provider: 'fcm', token: 'phone-of-bob' });
  if (answer.status !== 204) throw new Error(`a device was answered ${answer.status}`);
  return conversationsWith(sender, 'bob');
}

const servicesOf = ({ parley }: FaultyWorld) => processes.services.map(({ app }) => [app, parley[app]] as const);
const pidsOf = (world: FaultyWorld): Record<string, number | undefined> =>
  Object.fromEntries(servicesOf(world).map(([name, { pid }]) => [name, pid]));

async function openBreakers(world: FaultyWorld): Promise<string[]> {
  const ofEach = servicesOf(world).map(async ([name, { url }]) => {
    const states = [...(await metricsOf(url).catch(() => new Map<string, number>()))].filter(
      ([metric, value]) => metric.startsWith('circuit_breaker_state{') && value > 0,
    );
    return states.map(([metric]) => `${name}: ${/dependency="(\w+)"/.exec(metric)?.[1]}`);
  });
  return (await Promise.all(ofEach)).flat();
}

/** Messages of the outage until `dueBefore`, of which neither they nor a newer one of their conversation were shown on the device. */
function unpushedOf({ fcm }: FaultyWorld, { toBePushed }: Probes, brokenAt: number, dueBefore: number): number {
  const shown = new Map<string, number>();
  for (const { data } of fcm.sent) shown.set(data.conversationId, Math.max(shown.get(data.conversationId) ?? 0, Number(data.seq)));
  return toBePushed.filter(
    ({ entry: { conversationId, acknowledged }, at }) =>
      acknowledged !== undefined && at > brokenAt && at < dueBefore && (shown.get(conversationId) ?? 0) < acknowledged.seq,
  ).length;
}

function samplesOf(choose: (operation: Asked) => Sample[]): Record<Asked, Sample[]> {
  return {
    live: choose('live'),
    send: choose('send'),
    'send there': choose('send there'),
    read: choose('read'),
    search: choose('search'),
    suggest: choose('suggest'),
    health: choose('health'),
    end: choose('end'),
  };
}

const isGood: Readonly<Record<Asked, (sample: Sample) => boolean>> = {
  live: ({ status }) => status === 200,
  send: ({ status }) => status === 202,
  'send there': ({ status }) => status === 202,
  read: ({ status }) => status === 200,
  search: ({ status, degraded }) => status === 200 && degraded.length === 0,
  suggest: ({ status, degraded }) => status === 200 && degraded.length === 0,
  health: ({ status, says }) => status === 200 && says === 'ok',
  end: ({ status }) => status === 202,
};

/** When the first good answer of the present row of them was there; undefined as long as the row is short. */
function goodSince(operation: Asked, samples: readonly Sample[]): number | undefined {
  const lastBad = samples.findLastIndex((sample) => !isGood[operation](sample));
  const good = samples.slice(lastBad + 1);
  const [first] = good;
  return first !== undefined && good.length >= GOOD_IN_A_ROW ? first.at + first.ms : undefined;
}

async function untilWhole(probes: Probes, asked: readonly Asked[]): Promise<void> {
  const until = performance.now() + WHOLE_WITHIN_MS;
  const missing = () => asked.filter((operation) => goodSince(operation, probes.within(operation, 0)) === undefined);
  const lastOf = (operation: Asked) => `${operation} ${JSON.stringify(probes.within(operation, 0).at(-1))}`;
  while (missing().length > 0) {
    if (performance.now() > until) throw new Error(`before the outage this did not work already: ${missing().map(lastOf).join('; ')}`);
    await sleep(50);
  }
}

async function recovery(
  world: FaultyWorld,
  probes: Probes,
  looked: readonly Operation[],
  withinMs: number,
): Promise<Observed['recoveredAfterMs']> {
  const from = performance.now();
  const since = new Date();
  const workedAt: Partial<Record<Operation, number>> = {};
  for (;;) {
    const inPostgres = await passedSince(world.parley.databaseUrl, since).catch(() => undefined);
    const isPushed = probes.toBePushed.some(
      ({ entry, at }) => at > from && world.fcm.sent.some(({ data }) => data.messageId === entry.acknowledged?.id),
    );
    const passed = inPostgres && { ...inPostgres, push: isPushed };
    for (const [operation, has] of Object.entries(passed ?? {}) as [Worker, boolean][]) if (has) workedAt[operation] ??= performance.now();
    const at = looked.map(
      (operation) => [operation, isAsked(operation) ? goodSince(operation, probes.within(operation, from)) : workedAt[operation]] as const,
    );
    if (performance.now() - from > withinMs || at.every(([, moment]) => moment !== undefined))
      return Object.fromEntries(at.map(([operation, moment]) => [operation, moment === undefined ? undefined : Math.round(moment - from)]));
    await sleep(100);
  }
}

async function failedAttempts({ parley }: FaultyWorld): Promise<number> {
  const [embedding, delivery, scoring] = await Promise.all(
    [parley.embedding, parley.delivery, parley.scoring].map(({ url }) => metricsOf(url)),
  );
  const failed = (metrics: ReadonlyMap<string, number> | undefined, queue: string) =>
    ['retry', 'dead-letter'].reduce(
      (sum, outcome) => sum + (metrics?.get(`event_attempts_total{queue="${queue}",outcome="${outcome}"}`) ?? 0),
      0,
    );
  const scored = ['scoring.conversations', 'scoring.rescores', 'scoring.logs'].reduce((sum, queue) => sum + failed(scoring, queue), 0);
  return failed(embedding, 'embedding.messages') + failed(delivery, 'delivery.messages') + failed(delivery, 'delivery.push') + scored;
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

/** Postgres is asked past the proxies; where it has ended itself, there is nothing that could wait. */
async function backlogAt(databaseUrl: string, { faults }: Outage, dueBefore: Date): Promise<Omit<Backlog, 'unpushed'>> {
  const hasEnded = faults.some((fault) => 'disk' in fault && fault.disk === 'postgres');
  return hasEnded ? NO_BACKLOG : backlogOf(databaseUrl, dueBefore);
}

async function backlogOf(databaseUrl: string, dueBefore: Date): Promise<Omit<Backlog, 'unpushed'>> {
  const row = await ask<Omit<Backlog, 'unpushed'>>(
    databaseUrl,
    `select (select count(*) from messages m left join message_chunks l on l.message_id = m.id
             where m.created_at < $1 and l.state is distinct from 'indexed')::int as unindexed,
            (select count(*) from messages m left join message_deliveries d on d.message_id = m.id
             where m.created_at < $1 and d.state is distinct from 'delivered')::int as undelivered,
            (select count(*) from conversation_ends e left join score_changes c on c.end_id = e.id
             where e.created_at < $1 and c.end_id is null)::int as unscored,
            (select count(*) from conversation_ends
             where created_at < $1 and log_bytes is not null and log_stored_at is null)::int as unstored,
            (select count(*) from outbox where created_at < $1)::int as unpublished,
            (select count(*) from outbox where parked_at is not null)::int as parked`,
    [dueBefore],
  );
  return row ?? NO_BACKLOG;
}

async function passedSince(databaseUrl: string, since: Date): Promise<Record<Exclude<Worker, 'push'>, boolean> | undefined> {
  return ask(
    databaseUrl,
    `select exists(select 1 from messages m join message_chunks l on l.message_id = m.id
                   where m.created_at > $1 and l.state = 'indexed') as "consume",
            exists(select 1 from messages m join message_deliveries d on d.message_id = m.id
                   where m.created_at > $1 and d.state = 'delivered') as "deliver",
            exists(select 1 from conversation_ends e join score_changes c on c.end_id = e.id where e.created_at > $1) as "score",
            exists(select 1 from conversation_ends where created_at > $1 and log_stored_at is not null) as "store",
            (select count(*) from messages where created_at > $1 and created_at < now() - interval '200 ms')
            > (select count(*) from outbox where created_at > $1 and created_at < now() - interval '200 ms') as "relay"`,
    [since],
  );
}
