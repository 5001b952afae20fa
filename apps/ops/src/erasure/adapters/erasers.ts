import type { DeadLettersPort } from '#lib/bus/dead-letters/dead-letters.port';
import type { UserId } from '#lib/contracts/ids';
import { PostgresUserConversations } from '#lib/conversations/adapters/postgres-user-conversations';
import { PostgresUserMessages } from '#lib/conversations/adapters/postgres-user-messages';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { PostgresUserData } from '#lib/database/erasure/adapters/postgres-user-data';
import { userData } from '#lib/database/erasure/user-data';
import type { PresencePort } from '#lib/live/presence/presence.port';
import type { ObjectStorePort } from '#lib/objects/object-store.port';
import type { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { logPrefixOf } from '#lib/scores/ends/log-key';
import type { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import type { Eraser, ErasedPage } from '../eraser.js';
import { DeadLettersOfUser } from './dead-letters-of-user.js';

/** Where something of users is kept. */
export interface Stores {
  readonly lane: PostgresLane;
  readonly vectors: VectorStorePort;
  readonly presence: PresencePort;
  readonly deadLetters: DeadLettersPort;
  readonly ends: ConversationEndStorePort;
  readonly objects: ObjectStorePort;
}

/** Vectors that are looked up and removed at once. */
const VECTORS_AT_ONCE = 1_000;
/** Ends of one statement, each with up to 10 MB of log. */
const ENDS_AT_ONCE = 50;
/** Logs in the object store that are removed at once: as many as S3 takes. */
const LOGS_AT_ONCE = 1_000;
const NIL = '00000000-0000-0000-0000-000000000000';
/** A message is committed at most this long after its id was made, in milliseconds: ten times the deadline of a send. */
const LATEST_COMMIT_MS = 60_000;

/**
 * An eraser for each store, in the order in which they run. The memberships first, so that nothing more is sent; the vectors before the messages,
 * so that they are counted here and not removed by the indexer, which follows `message.deleted`;
 * the ends before their logs: a log that is being moved then either is there already, or its move finds no end and takes it back.
 */
export const erasersOf = ({ lane, vectors, presence, deadLetters, ends, objects }: Stores): Eraser[] => {
  const conversations = new PostgresUserConversations(lane);
  const messages = new PostgresUserMessages(lane);
  const letters = new DeadLettersOfUser(deadLetters);
  return [
    untilEmpty('memberships', (userId) => conversations.leave(userId)),
    untilEmpty('vectors', async (userId) => {
      const ids = await vectors.chunkIdsOfSender(userId, VECTORS_AT_ONCE);
      await vectors.remove(ids);
      return { count: ids.length, isEmpty: ids.length < VECTORS_AT_ONCE };
    }),
    {
      name: 'messages',
      erase: async (userId, { after, since }) => {
        const { next, ...counts } = await messages.erase(userId, after ?? firstIdAfter(since));
        return { counts, next };
      },
    },
    {
      name: 'conversations',
      erase: async (userId, { after, since }) => {
        const { count, next } = await conversations.forget(userId, after ?? firstIdAfter(since));
        return { counts: { conversations: count }, next };
      },
    },
    untilEmpty('ends', async (userId) => {
      const count = await ends.removeOf(userId, ENDS_AT_ONCE);
      return { count, isEmpty: count < ENDS_AT_ONCE };
    }),
    untilEmpty('logs', async (userId) => {
      const keys = await objects.keys(logPrefixOf(userId), LOGS_AT_ONCE);
      await objects.remove(keys);
      return { count: keys.length, isEmpty: keys.length < LOGS_AT_ONCE };
    }),
    ...Object.entries(userData).flatMap(([table, data]) => {
      if (!('rows' in data)) return [];
      const rows = new PostgresUserData(lane, table, data);
      return [untilEmpty(table, (userId) => rows.erase(userId))];
    }),
    untilEmpty('presence', async (userId) => ({ count: Number(await presence.forget(userId)), isEmpty: true })),
    { name: 'dead letters', erase: (userId, { after }) => letters.erase(userId, after) },
  ];
};

const untilEmpty = (name: string, erase: (userId: UserId) => Promise<{ readonly count: number; readonly isEmpty: boolean }>): Eraser => ({
  name,
  erase: async (userId): Promise<ErasedPage> => {
    const { count, isEmpty } = await erase(userId);
    return { counts: { [name]: count }, next: isEmpty ? undefined : 'more' };
  },
});

/** The smallest UUIDv7 of what may have been committed after `since`; the smallest of all without it. */
const firstIdAfter = (since: Date | undefined): string => {
  if (since === undefined) return NIL;
  const time = (since.getTime() - LATEST_COMMIT_MS).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
};
