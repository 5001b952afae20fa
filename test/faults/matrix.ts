import type { SearchPart } from '#lib/contracts/http';
import { type FaultyDependency, JUST_IN_TIME_MS, type OutageMode, SLOW_MS } from '#lib/testing/faulty-world';

/**
 * What is looked at while a dependency is away. `consume`: indexing a message from its queue; `deliver`: bringing it to the sockets of its members;
 * `relay`: bringing events from the outbox to RabbitMQ; `end`: ending a conversation with its log; `score`: scoring it; `store`: moving its log to the
 * object store.
 */
export const operations = ['send', 'read', 'search', 'suggest', 'health', 'consume', 'deliver', 'relay', 'end', 'score', 'store'] as const;
export type Operation = (typeof operations)[number];
/** Looked at in the outages that they could notice: there conversations are ended. */
type OfEnds = 'end' | 'score' | 'store';

/** It answers every time, in the way that is named. Times in milliseconds. */
export interface Answered {
  readonly kind: 'answered';
  readonly status: 200 | 202 | 503;
  /** Of a search: the parts that it was made without. Of a suggestion: the status of the user, or nothing. */
  readonly degraded?: readonly (SearchPart | 'status')[];
  /** Of health: what it says as soon as it can know. */
  readonly says?: 'ok' | 'degraded' | 'down';
  /** No answer takes longer, the first failures and later trials included. */
  readonly firstMs: number;
  /** P95 once the breaker is open; with nothing to open, of all. */
  readonly thenMs: number;
}

/** Work in the background: no client waits for it. */
export interface Worked {
  readonly kind: /** As if nothing had happened. */
    | 'goes on'
    /** Stays in its queue or in the outbox: no attempt is counted, nothing is dead-lettered or parked. */
    | 'waits'
    /** The same, and what little there is may pass. */
    | 'waits or crawls';
}

export type Seen = Answered | Worked;

/** One dependency, taken away in one way. */
export interface Outage {
  readonly dependency: FaultyDependency;
  readonly mode: OutageMode;
  /** How it is done. */
  readonly means: string;
  /** How long it lasts in the tests, in milliseconds: some seconds longer than it takes until every breaker is open. */
  readonly holdMs: number;
  /** From then on `thenMs` holds. */
  readonly opensWithinMs: number;
  readonly cells: Readonly<Record<Exclude<Operation, OfEnds>, Seen>> & Readonly<Partial<Record<OfEnds, Seen>>>;
  /** Whether every test run tries it; the whole table takes some ten minutes. */
  readonly isInCut: boolean;
}

/** First success of every operation after the dependency is back, in milliseconds (law 3; the embedder as the LLM: its breaker waits 60 s). */
export const RECOVERS_WITHIN_MS: Readonly<Record<FaultyDependency, number>> = {
  postgres: 12_000,
  redis: 12_000,
  chroma: 12_000,
  rabbitmq: 20_000,
  embedder: 62_000,
  llm: 62_000,
  objectStore: 12_000,
};

/** What is looked at in an outage, with what is seen. */
export const cellsOf = ({ cells }: Outage): (readonly [Operation, Seen])[] =>
  operations.flatMap((operation) => {
    const seen = cells[operation];
    return seen === undefined ? [] : [[operation, seen] as const];
  });

const answered = (
  status: Answered['status'],
  firstMs: number,
  thenMs: number,
  more: Pick<Answered, 'degraded' | 'says'> = {},
): Answered => ({
  kind: 'answered',
  status,
  firstMs,
  thenMs,
  ...more,
});
const health = (status: 200 | 503, says: NonNullable<Answered['says']>): Answered => answered(status, 2_500, 2_500, { says });
const worked = (kind: Worked['kind']): Worked => ({ kind });

/** Law 2: one commit on the way to the 202, and nothing else. */
const accepted = answered(202, 1_000, 200);
const read = answered(200, 1_000, 200);
const suggested = answered(200, 1_000, 200, { degraded: [] });
const wholeSearch = answered(200, 1_000, 500, { degraded: [] });
/** Words alone. The vector is waited for as long as it may take, 2 s, until the breaker is open. */
const lexicalSearch = (firstMs: number) => answered(200, firstMs, 500, { degraded: ['dense'] });
/** What a new user gets. The status is waited for as long as it may take, 1 s, until the breaker is open. */
const suggestedWithoutStatus = answered(200, 1_000, 30, { degraded: ['status'] });
/** Law 2, the exception. */
const refused = (firstMs: number) => answered(503, firstMs, 20);

/** No answer to a client needs RabbitMQ. */
const withoutRabbitmq = {
  send: accepted,
  read,
  search: wholeSearch,
  suggest: suggested,
  health: health(200, 'degraded'),
  consume: worked('waits'),
  deliver: worked('waits'),
  relay: worked('waits'),
} as const;
/** Limits are counted in the process, and stricter. What waits to be delivered, sockets get from Postgres meanwhile. */
const withoutRedis = {
  send: accepted,
  read,
  search: wholeSearch,
  suggest: suggested,
  health: health(200, 'degraded'),
  consume: worked('goes on'),
  deliver: worked('waits'),
  relay: worked('goes on'),
} as const;
const withoutMeaning = (firstMs: number) =>
  ({
    send: accepted,
    read,
    search: lexicalSearch(firstMs),
    suggest: suggested,
    health: health(200, 'degraded'),
    consume: worked('waits'),
    deliver: worked('goes on'),
    relay: worked('goes on'),
  }) as const;
/** No answer to a client needs a language model or an object store. */
const withoutHelp = {
  send: accepted,
  read,
  search: wholeSearch,
  suggest: suggested,
  health: health(200, 'degraded'),
  consume: worked('goes on'),
  deliver: worked('goes on'),
  relay: worked('goes on'),
  end: accepted,
} as const;
/** Only scores notice it. */
const withoutModel = { ...withoutHelp, score: worked('waits'), store: worked('goes on') } as const;
/** A log that is not moved yet is scored from Postgres. */
const withoutObjects = { ...withoutHelp, score: worked('goes on'), store: worked('waits') } as const;
const withoutPostgres = (limits: { send: number; read: number; search: number }) =>
  ({
    send: refused(limits.send),
    read: refused(limits.read),
    search: refused(limits.search),
    suggest: suggestedWithoutStatus,
    health: health(503, 'down'),
    consume: worked('waits'),
    deliver: worked('waits'),
    relay: worked('waits'),
  }) as const;

const seconds = (ms: number) => `${ms / 1_000} s`;
const slow = (dependency: FaultyDependency, instead: string) =>
  `each direction takes ${seconds(SLOW_MS[dependency])}, three times ${instead}`;
const REFUSED = 'connections are reset, new ones refused';
const BLACK_HOLE = 'connections stay open, new ones are accepted, nothing comes through';

/** Every way in which something that Parley needs can be away, and what is seen then. The tests and docs/reference/faults.md are made from it. */
export const matrix: readonly Outage[] = [
  {
    dependency: 'postgres',
    mode: 'refused',
    means: REFUSED,
    holdMs: 5_000,
    opensWithinMs: 2_000,
    cells: withoutPostgres({ send: 1_000, read: 1_000, search: 1_000 }),
    isInCut: true,
  },
  {
    dependency: 'postgres',
    mode: 'slow',
    means: slow('postgres', 'the limit of a statement'),
    holdMs: 10_000,
    opensWithinMs: 7_000,
    cells: withoutPostgres({ send: 5_500, read: 6_000, search: 10_000 }),
    isInCut: false,
  },
  {
    dependency: 'postgres',
    mode: 'black hole',
    means: BLACK_HOLE,
    holdMs: 10_000,
    opensWithinMs: 7_000,
    cells: withoutPostgres({ send: 5_500, read: 6_000, search: 10_000 }),
    isInCut: true,
  },
  {
    dependency: 'postgres',
    mode: 'erroring',
    means: 'every transaction is read-only, as on a standby to which clients are still led',
    holdMs: 6_000,
    opensWithinMs: 2_000,
    cells: {
      ...withoutPostgres({ send: 1_000, read: 1_000, search: 1_000 }),
      read,
      search: wholeSearch,
      suggest: suggested,
      health: health(200, 'degraded'),
    },
    isInCut: false,
  },
  { dependency: 'rabbitmq', mode: 'refused', means: REFUSED, holdMs: 5_000, opensWithinMs: 0, cells: withoutRabbitmq, isInCut: true },
  {
    dependency: 'rabbitmq',
    mode: 'slow',
    means: slow('rabbitmq', 'the limit of a confirm'),
    holdMs: 20_000,
    opensWithinMs: 0,
    cells: { ...withoutRabbitmq, consume: worked('waits or crawls'), deliver: worked('waits or crawls'), relay: worked('waits or crawls') },
    isInCut: false,
  },
  {
    dependency: 'rabbitmq',
    mode: 'black hole',
    means: BLACK_HOLE,
    holdMs: 10_000,
    opensWithinMs: 0,
    cells: withoutRabbitmq,
    isInCut: true,
  },
  {
    dependency: 'rabbitmq',
    mode: 'erroring',
    means: 'the permission to write is revoked',
    holdMs: 6_000,
    opensWithinMs: 0,
    cells: withoutRabbitmq,
    isInCut: false,
  },
  {
    dependency: 'rabbitmq',
    mode: 'blocked',
    means: 'a memory alarm: RabbitMQ reads no more from connections that publish',
    holdMs: 6_000,
    opensWithinMs: 0,
    // What was queued before the alarm is still handled, and news of it waits; consumers have a connection of their own.
    cells: { ...withoutRabbitmq, consume: worked('waits or crawls'), deliver: worked('waits or crawls') },
    isInCut: true,
  },
  { dependency: 'redis', mode: 'refused', means: REFUSED, holdMs: 4_000, opensWithinMs: 0, cells: withoutRedis, isInCut: true },
  {
    dependency: 'redis',
    mode: 'slow',
    means: slow('redis', 'the limit of a command'),
    holdMs: 8_000,
    opensWithinMs: 2_000,
    cells: withoutRedis,
    isInCut: false,
  },
  {
    dependency: 'redis',
    mode: 'just in time',
    means: `each direction takes ${seconds(JUST_IN_TIME_MS)}, together four fifths of the limit of a command`,
    holdMs: 5_000,
    opensWithinMs: 0,
    cells: { ...withoutRedis, deliver: worked('goes on'), health: health(200, 'ok') },
    isInCut: false,
  },
  { dependency: 'redis', mode: 'black hole', means: BLACK_HOLE, holdMs: 5_000, opensWithinMs: 2_000, cells: withoutRedis, isInCut: true },
  {
    dependency: 'redis',
    mode: 'erroring',
    means: 'READONLY: a replica that has lost its primary',
    holdMs: 5_000,
    opensWithinMs: 0,
    cells: { ...withoutRedis, deliver: worked('goes on') }, // a replica takes what is published
    isInCut: false,
  },
  {
    dependency: 'chroma',
    mode: 'refused',
    means: REFUSED,
    holdMs: 5_000,
    opensWithinMs: 1_000,
    cells: withoutMeaning(1_000),
    isInCut: true,
  },
  {
    dependency: 'chroma',
    mode: 'slow',
    means: slow('chroma', 'the limit of a query'),
    holdMs: 14_000,
    opensWithinMs: 5_000,
    cells: withoutMeaning(3_000),
    isInCut: false,
  },
  {
    dependency: 'chroma',
    mode: 'black hole',
    means: BLACK_HOLE,
    holdMs: 9_000,
    opensWithinMs: 5_000,
    cells: withoutMeaning(3_000),
    isInCut: true,
  },
  {
    dependency: 'chroma',
    mode: 'erroring',
    means: 'every request is answered 500',
    holdMs: 5_000,
    opensWithinMs: 1_000,
    cells: withoutMeaning(1_000),
    isInCut: false,
  },
  {
    dependency: 'embedder',
    mode: 'refused',
    means: REFUSED,
    holdMs: 5_000,
    opensWithinMs: 1_000,
    cells: withoutMeaning(1_000),
    isInCut: true,
  },
  {
    dependency: 'embedder',
    mode: 'slow',
    means: slow('embedder', 'the limit of a query; a batch of messages may take 30 s'),
    holdMs: 16_000,
    opensWithinMs: 8_000,
    cells: { ...withoutMeaning(3_000), consume: worked('waits or crawls') },
    isInCut: false,
  },
  {
    dependency: 'embedder',
    mode: 'black hole',
    means: BLACK_HOLE,
    holdMs: 9_000,
    opensWithinMs: 5_000,
    cells: withoutMeaning(3_000),
    isInCut: false,
  },
  {
    dependency: 'embedder',
    mode: 'erroring',
    means: 'every request is answered 500',
    holdMs: 5_000,
    opensWithinMs: 1_000,
    cells: withoutMeaning(1_000),
    isInCut: false,
  },
  {
    dependency: 'llm',
    mode: 'refused',
    means: REFUSED,
    holdMs: 15_000,
    opensWithinMs: 10_000,
    cells: withoutModel,
    isInCut: false,
  },
  {
    dependency: 'llm',
    mode: 'slow',
    means: slow('llm', 'the limit of a call'),
    holdMs: 35_000,
    opensWithinMs: 30_000,
    cells: withoutModel,
    isInCut: false,
  },
  {
    dependency: 'llm',
    mode: 'black hole',
    means: BLACK_HOLE,
    holdMs: 35_000,
    opensWithinMs: 30_000,
    cells: withoutModel,
    isInCut: false,
  },
  {
    dependency: 'llm',
    mode: 'erroring',
    means: 'every request is answered 500',
    holdMs: 15_000,
    opensWithinMs: 10_000,
    cells: withoutModel,
    // Its breaker alone takes a minute; a journey looks at this outage in every run.
    isInCut: false,
  },
  {
    dependency: 'objectStore',
    mode: 'refused',
    means: REFUSED,
    holdMs: 6_000,
    opensWithinMs: 3_000,
    cells: withoutObjects,
    isInCut: false,
  },
  {
    dependency: 'objectStore',
    mode: 'slow',
    means: slow('objectStore', 'the limit of a call'),
    holdMs: 40_000,
    opensWithinMs: 34_000,
    cells: withoutObjects,
    isInCut: false,
  },
  {
    dependency: 'objectStore',
    mode: 'black hole',
    means: BLACK_HOLE,
    holdMs: 40_000,
    opensWithinMs: 34_000,
    cells: withoutObjects,
    isInCut: false,
  },
  {
    dependency: 'objectStore',
    mode: 'erroring',
    means: 'every request is answered 500',
    holdMs: 6_000,
    opensWithinMs: 3_000,
    cells: withoutObjects,
    isInCut: true,
  },
];

/** A cell as a sentence, for the test's name and for the document. */
export const describeSeen = (operation: Operation, seen: Seen): string => {
  if (seen.kind !== 'answered') {
    const sentences = {
      'goes on': 'goes on',
      waits: `waits in ${operation === 'relay' ? 'the outbox' : 'its queue'}; no attempt counted, nothing dead-lettered`,
      'waits or crawls': 'waits or crawls; no attempt counted, nothing dead-lettered',
    } as const;
    return sentences[seen.kind];
  }
  const { status, degraded = [], says, firstMs, thenMs } = seen;
  if (says !== undefined) return `${status} \`${says}\` within ${seconds(firstMs)}`;
  const without = degraded.length === 0 ? '' : `, \`degraded: ${operation === 'suggest' ? true : degraded.join()}\``;
  return `${status}${without}; each ≤ ${seconds(firstMs)}, then P95 ≤ ${thenMs} ms`;
};
