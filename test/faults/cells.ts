import { type FaultyDependency, type OutageMode, SLOW_MS } from '#lib/testing/faulty-world';
import { type Answered, RECOVERS_WITHIN_MS, seconds, type Worked } from './outage.js';

export const answered = (
  status: Answered['status'],
  firstMs: number,
  thenMs: number,
  more: Pick<Answered, 'degraded' | 'says' | 'or'> = {},
): Answered => ({
  kind: 'answered',
  status,
  firstMs,
  thenMs,
  ...more,
});
export const health = (status: 200 | 503, says: NonNullable<Answered['says']>): Answered => answered(status, 2_500, 2_500, { says });
export const worked = (kind: Worked['kind']): Worked => ({ kind });

/** No I/O: the process answers as long as it is one. */
export const live = answered(200, 1_000, 200);
/** Law 2: one commit on the way to the 202, and nothing else. */
export const accepted = answered(202, 1_000, 200);
export const read = answered(200, 1_000, 200);
export const suggested = answered(200, 1_000, 200, { degraded: [] });
export const wholeSearch = answered(200, 1_000, 500, { degraded: [] });
/** Words alone. The vector is waited for as long as it may take, 2 s, until the breaker is open. */
export const lexicalSearch = (firstMs: number) => answered(200, firstMs, 500, { degraded: ['dense'] });
/** What a new user gets. The status is waited for as long as it may take, 1 s, until the breaker is open. */
export const suggestedWithoutStatus = answered(200, 1_000, 30, { degraded: ['status'] });
/** Law 2, the exception. */
export const refused = (firstMs: number) => answered(503, firstMs, 20);

/** No answer to a client needs RabbitMQ. */
export const withoutRabbitmq = {
  live,
  send: accepted,
  read,
  search: wholeSearch,
  suggest: suggested,
  health: health(200, 'degraded'),
  consume: worked('waits'),
  deliver: worked('waits'),
  relay: worked('waits'),
  end: accepted,
  score: worked('waits'),
  store: worked('waits'),
  push: worked('waits'),
} as const;
/** Limits are counted in the process, and stricter. What waits to be delivered, sockets get from Postgres meanwhile. */
export const withoutRedis = {
  live,
  send: accepted,
  read,
  search: wholeSearch,
  suggest: suggested,
  health: health(200, 'degraded'),
  consume: worked('goes on'),
  deliver: worked('waits'),
  relay: worked('goes on'),
  end: accepted,
  score: worked('goes on'),
  store: worked('goes on'),
  push: worked('waits'), // behind the delivery of its message
} as const;
export const withoutMeaning = (firstMs: number) =>
  ({
    live,
    send: accepted,
    read,
    search: lexicalSearch(firstMs),
    suggest: suggested,
    health: health(200, 'degraded'),
    consume: worked('waits'),
    deliver: worked('goes on'),
    relay: worked('goes on'),
    end: accepted,
    score: worked('goes on'),
    store: worked('goes on'),
    push: worked('goes on'),
  }) as const;
/** No answer to a client needs a language model or an object store. */
export const withoutHelp = {
  live,
  send: accepted,
  read,
  search: wholeSearch,
  suggest: suggested,
  health: health(200, 'degraded'),
  consume: worked('goes on'),
  deliver: worked('goes on'),
  relay: worked('goes on'),
  end: accepted,
  push: worked('goes on'),
} as const;
/** Only scores notice it. */
export const withoutModel = { ...withoutHelp, score: worked('waits'), store: worked('goes on') } as const;
/** A log that is not moved yet is scored from Postgres. */
export const withoutObjects = { ...withoutHelp, score: worked('goes on'), store: worked('waits') } as const;
export const withoutPostgres = (limits: { send: number; read: number; search: number; end: number }) =>
  ({
    live,
    send: refused(limits.send),
    read: refused(limits.read),
    search: refused(limits.search),
    suggest: suggestedWithoutStatus,
    health: health(503, 'down'),
    consume: worked('waits'),
    deliver: worked('waits'),
    relay: worked('waits'),
    end: refused(limits.end),
    score: worked('waits'),
    store: worked('waits'),
    push: worked('waits'),
  }) as const;
/** As if nothing were wrong; so it looks without the memory API too: a score counts no memories then, and health does not name it. */
export const whole = { ...withoutHelp, health: health(200, 'ok'), score: worked('goes on'), store: worked('goes on') } as const;
/** Pushes wait for their provider; health does not name it. */
export const withoutPushes = { ...whole, push: worked('waits') } as const;

/** What was queued before is handled, or what little comes through. */
export const crawling = {
  consume: worked('waits or crawls'),
  deliver: worked('waits or crawls'),
  score: worked('waits or crawls'),
  store: worked('waits or crawls'),
  push: worked('waits or crawls'),
} as const;

/** One dependency, in one way. */
export const away = (dependency: FaultyDependency, mode: OutageMode) =>
  ({ subject: dependency, mode, faults: [{ dependency, mode }], recoversWithinMs: RECOVERS_WITHIN_MS[dependency] }) as const;

/** How long the first of several is back before the last one is, in milliseconds. */
export const BACK_EVERY_MS = 4_000;
/** Several dependencies in the same way, back one after another. */
export const awayTogether = (dependencies: readonly FaultyDependency[], mode: OutageMode) =>
  ({
    subject: 'several at once',
    mode: dependencies.join(', '),
    faults: dependencies.map((dependency) => ({ dependency, mode })),
    backEveryMs: BACK_EVERY_MS,
    recoversWithinMs: Math.max(...dependencies.map((dependency) => RECOVERS_WITHIN_MS[dependency])),
  }) as const;

export const slow = (dependency: FaultyDependency, instead: string) =>
  `each direction takes ${seconds(SLOW_MS[dependency])}, three times ${instead}`;
export const REFUSED = 'connections are reset, new ones refused';
export const BLACK_HOLE = 'connections stay open, new ones are accepted, nothing comes through';
