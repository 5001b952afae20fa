import { setTimeout as sleep } from 'node:timers/promises';
import { InProcessRequests } from '#lib/bus/adapters/embedded/in-process-requests';
import { JournaledBus } from '#lib/bus/adapters/embedded/journaled-bus';
import { JournaledDeadLetters } from '#lib/bus/adapters/embedded/journaled-dead-letters';
import type { SharedBus } from '#lib/bus/adapters/embedded/journaled-providers';
import type { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { SoleOwner } from '#lib/database/adapters/sole-owner';
import { makeLanes } from '#lib/database/database.module';
import { PostgresJournal } from '#lib/database/journal/adapters/postgres-journal';
import { MemoryFanOut } from '#lib/live/fan-out/adapters/memory-fan-out';
import type { SharedLive } from '#lib/live/live.module';
import { MemoryPresence } from '#lib/live/presence/adapters/memory-presence';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { DependencyError } from '#lib/resilience/call/errors';
import { shareBreakers } from '#lib/resilience/call/share-breakers';
import { limitersInMemory, type SharedResilience } from '#lib/resilience/resilience.module';
import { exponential } from '#lib/runtime/work/backoff';
import { ConfigError } from '#lib/runtime/config/config';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { createEmbedder } from '#lib/vectors/embedder/adapters/create-embedder';
import { PostgresVectorStore } from '#lib/vectors/store/adapters/postgres-vector-store';
import type { SharedVectors } from '#lib/vectors/vectors.module';

const APP = 'standalone';
/** Vectors of 30,000 messages at 384 dimensions. */
const VECTOR_CACHE_BYTES = 60_000_000;
/** Pauses between two tries to open what lies in Postgres. */
const RETRY = { baseMs: 200, capMs: 5_000 } as const;

/** What the apps of this process share in place of servers. */
export interface SharedParts {
  readonly resilience: SharedResilience;
  readonly lanes: PostgresLanes;
  readonly bus: SharedBus;
  readonly live: SharedLive;
  readonly vectors: SharedVectors;
  /** Stops what it has begun, when no app uses it any more. */
  close(): Promise<void>;
}

/**
 * Makes what the apps share, and opens what an earlier process has left in Postgres. While that is away it goes on trying: events stay in the
 * outbox, and searches find by words. @throws ConfigError and what the embedder throws when it cannot be made.
 */
export const makeSharedParts = async ({ config, logger }: Pick<ProcessParts, 'config' | 'logger'>): Promise<SharedParts> => {
  const breakers = shareBreakers(createBreakers(), logger);
  const lanes = makeLanes(APP, config, breakers, logger);
  const embedder = await createEmbedder(config, breakers);
  const vectors = new PostgresVectorStore(lanes.lane('work'), {
    model: embedder.model,
    dimension: embedder.dimension,
    cacheBytes: VECTOR_CACHE_BYTES,
  });
  const journal = new PostgresJournal(lanes.lane('journal'));
  const bus = new JournaledBus({ journal, logger, publishTimeoutMs: config.BUS_PUBLISH_TIMEOUT_MS });
  const presence = new MemoryPresence();
  const closing = new AbortController();
  const owner = new SoleOwner(config, APP, () => {
    throw new Error('another process has taken over this database');
  });
  const open = async (): Promise<boolean> => {
    try {
      if (!(await owner.take())) throw new ConfigError(['DATABASE_URL: another Parley in one process works on this database']);
      await vectors.open();
      await bus.open();
      return true;
    } catch (error) {
      // Anything else is a mistake that no later try mends.
      if (!(error instanceof DependencyError)) throw error;
      return false;
    }
  };
  const goOnOpening = async () => {
    for (let failures = 1; !closing.signal.aborted; failures += 1) {
      await sleep(exponential(failures, RETRY), undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      if (closing.signal.aborted || (await open())) return;
    }
  };
  if (!(await open())) {
    logger.warn('Postgres does not answer: events wait in the outbox until it does');
    void goOnOpening();
  }
  return {
    resilience: { breakers, limiters: limitersInMemory(config) },
    lanes,
    bus: { bus, requests: new InProcessRequests(breakers), deadLetters: new JournaledDeadLetters(bus), process: APP },
    live: { fanOut: new MemoryFanOut(), presence },
    vectors: { embedder, vectors },
    close: async () => {
      closing.abort();
      presence.stop();
      await bus.stop();
      embedder.close();
      owner.release();
      await lanes.close();
    },
  };
};
