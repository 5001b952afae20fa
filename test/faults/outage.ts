import type { SearchPart } from '#lib/contracts/http';
import type { ServiceName } from '#lib/devstack/services';
import type { FaultyDependency, OutageMode } from '#lib/testing/faulty-world';
import type { ProcessFault } from './process-faults.js';
import type { ServerWithDisk } from './small-disks.js';

/**
 * What is looked at while something is away. `live`: `/livez` of every process. `consume`: indexing a message from its queue; `deliver`: bringing it
 * to the sockets of its members; `relay`: bringing events from the outbox to RabbitMQ; `end`: ending a conversation with its log; `score`: scoring
 * it; `store`: moving its log to the object store; `push`: telling the device of a member who is offline; `send there`: sending to the conversation
 * that a fault is about.
 */
export const operations = [
  'live',
  'send',
  'send there',
  'read',
  'search',
  'suggest',
  'health',
  'consume',
  'deliver',
  'relay',
  'end',
  'score',
  'store',
  'push',
] as const;
export type Operation = (typeof operations)[number];
/** Looked at in some outages only. */
type Sometimes = 'send there' | 'end' | 'score' | 'store' | 'push';

/** It answers every time, in the way that is named. Times in milliseconds. */
export interface Answered {
  readonly kind: 'answered';
  readonly status: 200 | 202 | 503;
  /** What some answers may be instead; 0: none, the connection is closed. */
  readonly or?: 503 | 0;
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

/** One thing that is wrong: with a dependency, or with processes of ours. */
export type Fault =
  | { readonly dependency: FaultyDependency; readonly mode: OutageMode }
  | { readonly services: readonly ServiceName[]; readonly mode: ProcessFault }
  /** No byte is free where a server keeps its data. */
  | { readonly disk: ServerWithDisk }
  /** The clocks of our processes are moved by so many seconds. */
  | { readonly clockSeconds: number };

/** One thing, or several at once, taken away in one way. */
export interface Outage {
  /** What it is about, the heading of its rows: a dependency, several, or processes of ours. */
  readonly subject: string;
  readonly mode: string;
  /** In the order in which they begin and end. */
  readonly faults: readonly Fault[];
  /** Between the end of one fault and that of the next, in milliseconds. */
  readonly backEveryMs?: number;
  /** How it is done. */
  readonly means: string;
  /** How long it lasts in the tests, in milliseconds: some seconds longer than it takes until every breaker is open. */
  readonly holdMs: number;
  /** From then on `thenMs` holds. */
  readonly opensWithinMs: number;
  /** First success of every operation after all of it is back, in milliseconds. */
  readonly recoversWithinMs: number;
  readonly cells: Readonly<Record<Exclude<Operation, Sometimes>, Seen>> & Readonly<Partial<Record<Sometimes, Seen>>>;
  /** Of `send there`: how many send there at once. */
  readonly sendersThere?: number;
  /** Nothing that Parley needs is away: no breaker may open. */
  readonly opensNoBreaker?: true;
  /** Whether every test run tries it; the whole table takes an hour. */
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
  memory: 32_000,
  // Its breaker waits 30 s, and what waits for it is looked at every 8 s.
  fcm: 42_000,
  collector: 12_000,
  webhook: 32_000,
};

/** What is looked at in an outage, with what is seen. */
export const cellsOf = ({ cells }: Outage): (readonly [Operation, Seen])[] =>
  operations.flatMap((operation) => {
    const seen = cells[operation];
    return seen === undefined ? [] : [[operation, seen] as const];
  });

/** Milliseconds as seconds. */
export const seconds = (ms: number) => `${ms / 1_000} s`;

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
  const { status, or, degraded = [], says, firstMs, thenMs } = seen;
  if (says !== undefined) return `${status} \`${says}\` within ${seconds(firstMs)}`;
  const without = degraded.length === 0 ? '' : `, \`degraded: ${operation === 'suggest' ? true : degraded.join()}\``;
  const other = or === undefined ? '' : or === 0 ? ', or the connection is closed' : `, or ${or}`;
  return `${status}${without}${other}; each ≤ ${seconds(firstMs)}, then P95 ≤ ${thenMs} ms`;
};
