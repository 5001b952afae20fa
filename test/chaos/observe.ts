import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { FaultyWorld } from '#lib/testing/faulty-world';
import type { ParleyClient } from '#lib/testing/parley-client';
import { processes } from '#lib/devstack/services';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import { SearchResults } from '#lib/contracts/http';
import { readQueues } from '#lib/testing/consistency-reads';
import type { Attempt, PacedLoad } from './load.js';
import type { Members } from './members.js';

/** One search of the reader who keeps searching. Times of `performance.now()` and milliseconds; `status` 0 = no answer. */
export interface SearchSample {
  readonly at: number;
  readonly ms: number;
  readonly status: number;
  readonly isWhole: boolean;
  /** What it showed: texts by message id. */
  readonly shown: readonly (readonly [id: string, content: string])[];
}

/** When Parley was itself again after a fault had cleared, in milliseconds; undefined = not within the time it was given. */
export interface Recovery {
  /** Of each by itself; delivered: to the sockets of all members. */
  readonly firsts: Readonly<Record<'send' | 'search' | 'indexed' | 'delivered', number | undefined>>;
  /** A send accepted, a search with all its parts, a message that was sent after the fault indexed and delivered: whichever came last. */
  readonly firstSuccessMs: number | undefined;
  /** All of that, and nothing left over from the outage: outbox swept, every message indexed and delivered. */
  readonly wholeMs: number | undefined;
  /** What was still missing when the time was over; empty when it was whole. */
  readonly lacks: readonly string[];
}

/** Messages and events that are older than this and still under way are a backlog. */
const FRESH_S = 3;
const ASK_EVERY_MS = 200;
const SEARCH_EVERY_MS = 400;
/** Sends that must have been accepted, all of them, before Parley counts as whole: these many, or half of what a second brings if that is less. */
const ACCEPTED_IN_A_ROW = 20;

/** Whether all sends of late were accepted, and there were enough of them to say so at this rate. */
export function isAccepting(attempts: readonly Attempt[], perSecond: number, now: number): boolean {
  const windowMs = Math.max(1_000, 3_000 / perSecond); // at least three sends
  const recent = attempts.filter(({ at }) => at >= now - windowMs && at < now);
  const enough = Math.max(1, Math.min(ACCEPTED_IN_A_ROW, Math.floor((perSecond * windowMs) / 2_000)));
  return recent.length >= enough && recent.every(({ status }) => status === 202);
}

/** A reader who keeps searching, so that it shows when search has all its parts again. */
export class Searcher {
  readonly samples: SearchSample[] = [];
  private isSearching = true;
  private readonly searching: Promise<void>;

  constructor(client: ParleyClient) {
    this.searching = this.keepSearching(client);
  }

  async stop(): Promise<void> {
    this.isSearching = false;
    await this.searching;
  }

  between(from: number, to: number): SearchSample[] {
    return this.samples.filter(({ at }) => at >= from && at < to);
  }

  private async keepSearching(client: ParleyClient): Promise<void> {
    for (let turn = 0; this.isSearching; turn += 1) {
      const at = performance.now();
      // Another text each time: the vector of one that was asked before is remembered, and the model is not.
      const answer = await client.request('GET', `/v1/search?q=${encodeURIComponent(`coffee garden ${turn}`)}`).catch(() => undefined);
      const status = answer?.status ?? 0;
      const { items, degraded } = status === 200 ? SearchResults.parse(answer?.body) : { items: [], degraded: [] };
      const shown = items.map(({ message }) => [message.id, message.content] as const);
      this.samples.push({ at, ms: performance.now() - at, status, isWhole: status === 200 && degraded.length === 0, shown });
      await sleep(SEARCH_EVERY_MS);
    }
  }
}

/** Largest resident memory of each process, in MiB, sampled every second. */
export class MemoryWatch {
  readonly peakMiB: Record<string, number> = {};
  private readonly timer: NodeJS.Timeout;

  constructor({ parley, stack }: FaultyWorld) {
    const processes = {
      ...servicesOf(parley),
      postgres: stack.postgres,
      rabbitmq: stack.rabbitmq,
      redis: stack.redis,
      chroma: stack.chroma,
    };
    const sample = () => {
      for (const [name, { pid }] of Object.entries(processes)) {
        this.peakMiB[name] = Math.max(this.peakMiB[name] ?? 0, residentMiB(pid));
      }
    };
    this.timer = setInterval(sample, 1_000);
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/** Resident memory of our own processes now, in MiB. */
export const servicesMiB = ({ parley }: FaultyWorld): Record<string, number> =>
  Object.fromEntries(Object.entries(servicesOf(parley)).map(([name, { pid }]) => [name, residentMiB(pid)]));

function servicesOf(parley: FaultyWorld['parley']): Record<string, PrivateServer> {
  const first = processes.services.map(({ app }) => [app, parley[app]]);
  const also = Object.entries(parley.seconds).map(([name, server]) => [`${name}-2`, server]);
  return Object.fromEntries([...first, ...also]);
}

function residentMiB(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Math.round(Number(kib ?? 0) / 1_024);
  } catch {
    return 0; // it ended meanwhile
  }
}

/** Waits until nothing shows the fault any more, which cleared at `clearedAt`. */
export async function untilWhole(
  { parley }: FaultyWorld,
  load: PacedLoad,
  searcher: Searcher,
  members: Members,
  { clearedAt, withinMs }: { clearedAt: number; withinMs: number },
): Promise<Recovery> {
  const clearedOn = new Date(Date.now() - (performance.now() - clearedAt));
  let indexedAt: number | undefined;
  for (;;) {
    const now = performance.now();
    const pipeline = await askPipeline(parley.databaseUrl, clearedOn).catch(() => undefined);
    if (pipeline?.has_indexed === true) indexedAt ??= performance.now();
    const sent = load.attempts.find(({ at, status }) => at >= clearedAt && status === 202);
    const searched = searcher.samples.find(({ at, isWhole }) => at >= clearedAt && isWhole);
    const after = (at: number | undefined) => (at === undefined ? undefined : Math.round(at - clearedAt));
    const firsts = {
      send: after(sent && sent.at + sent.ms),
      search: after(searched && searched.at + searched.ms),
      indexed: after(indexedAt),
      delivered: after(members.firstWholeAfter(clearedAt)),
    };
    const times = Object.values(firsts).filter((ms) => ms !== undefined);
    const firstSuccessMs = times.length === Object.keys(firsts).length ? Math.max(...times) : undefined;
    const lacks = [
      ...Object.entries(firsts).flatMap(([what, ms]) => (ms === undefined ? [`no ${what} yet`] : [])),
      ...lacksOf(pipeline),
      ...refusedOf(load, now),
      ...(searcher.samples.at(-1)?.isWhole === true ? [] : ['the last search lacked a part']),
      ...membersLack(members.lackedAt(now - FRESH_S * 1_000)),
    ];
    if (firstSuccessMs !== undefined && lacks.length === 0)
      return { firsts, firstSuccessMs, wholeMs: performance.now() - clearedAt, lacks };
    if (performance.now() - clearedAt > withinMs) {
      const queues = await readQueues(parley.rabbitmqUrl).catch(() => ['queues could not be read']);
      return { firsts, firstSuccessMs, wholeMs: undefined, lacks: [...lacks, ...queues] };
    }
    await sleep(ASK_EVERY_MS);
  }
}

/** Stages of messages that are under way for longer than {@link FRESH_S}: how many, and the age of the oldest in seconds. */
interface Pipeline {
  readonly has_indexed: boolean;
  readonly unindexed: number;
  readonly unindexed_s: number;
  readonly undelivered: number;
  readonly undelivered_s: number;
  readonly outbox: number;
  readonly outbox_s: number;
}

function lacksOf(pipeline: Pipeline | undefined): string[] {
  if (pipeline === undefined) return ['Postgres could not be asked'];
  const { unindexed, unindexed_s, undelivered, undelivered_s, outbox, outbox_s } = pipeline;
  return [
    ...(unindexed > 0 ? [`${unindexed} not indexed, oldest ${unindexed_s} s`] : []),
    ...(undelivered > 0 ? [`${undelivered} not delivered, oldest ${undelivered_s} s`] : []),
    ...(outbox > 0 ? [`${outbox} in the outbox, oldest ${outbox_s} s`] : []),
  ];
}

function refusedOf(load: PacedLoad, now: number): string[] {
  if (isAccepting(load.attempts, load.perSecond, now)) return [];
  const recent = load.attempts.filter(({ at }) => at >= now - 1_000 && at < now);
  const counts = Object.entries(countAnswers(recent)).map(([answer, count]) => `${count} x ${answer}`);
  return [`sends of the last second: ${counts.join(', ') || 'none'}`];
}

function membersLack(count: number): string[] {
  return count === 0 ? [] : [`${count} messages that some member was not shown`];
}

/** How often each answer was given: by status, and by code where it was refused. */
export function countAnswers(attempts: readonly Attempt[]): Record<string, number> {
  const groups = Map.groupBy(attempts, ({ status, code }) =>
    status === 0 ? 'no answer' : code === undefined ? `${status}` : `${status} ${code}`,
  );
  return Object.fromEntries([...groups].map(([answer, all]) => [answer, all.length]));
}

const CHANGED_AT = 'coalesce(m.deleted_at, m.edited_at, m.created_at)';
const countAndAge = (name: string, at: string) =>
  `count(*)::int as ${name}, coalesce(round(extract(epoch from now() - min(${at}))), 0)::int as ${name}_s`;
const isOld = (at: string) => `${at} < now() - make_interval(secs => $2)`;

/** Asked past the proxies, of Postgres itself. */
async function askPipeline(databaseUrl: string, since: Date): Promise<Pipeline | undefined> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 2_000, query_timeout: 5_000 });
  client.on('error', () => undefined); // the query below already fails with it
  await client.connect();
  try {
    const { rows } = await client.query<Pipeline>(
      `select exists(select 1 from messages m join message_chunks l on l.message_id = m.id where m.created_at > $1 and l.state = 'indexed') as has_indexed, *
       from (select ${countAndAge('unindexed', CHANGED_AT)} from messages m left join message_chunks l on l.message_id = m.id
             where ${isOld(CHANGED_AT)} and (l.version is distinct from m.version or l.state = 'failed')) one,
            (select ${countAndAge('undelivered', 'm.created_at')} from messages m left join message_deliveries d on d.message_id = m.id
             where ${isOld('m.created_at')} and d.state is distinct from 'delivered') two,
            (select ${countAndAge('outbox', 'created_at')} from outbox where ${isOld('created_at')}) three`,
      [since, FRESH_S],
    );
    return rows[0];
  } finally {
    await client.end();
  }
}
