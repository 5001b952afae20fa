import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { INSPECTABLE } from '../cost.js';
import type { Dialect } from './crowd/dialect.js';
import { type LiveConversation, type LiveTarget, post, startPeer, urlsFrom } from './live-target.js';
import { PEER_TABLES } from './peers/peer-messages.js';

/** What the peers need. */
export interface PeerPlace {
  readonly folder: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

interface PeerKind {
  readonly name: Exclude<LiveTarget['name'], 'parley'>;
  readonly entry: string;
  readonly dialect: Dialect;
  readonly nodeCount: number;
  readonly path: (conversation: LiveConversation, userId: string) => string;
}

/** The peers, in the order in which they are measured. */
export const peerKinds = [
  {
    name: 'socket.io',
    entry: 'socket-io',
    dialect: 'socket.io',
    nodeCount: 2,
    path: (_conversation, userId) => `/socket.io/?EIO=4&transport=websocket&user=${userId}`,
  },
  { name: 'stock Nest', entry: 'nest/main', dialect: 'plain', nodeCount: 2, path: (_conversation, userId) => `/?user=${userId}` },
  { name: 'bare ws', entry: 'bare-ws', dialect: 'plain', nodeCount: 1, path: ({ id }) => `/?conversation=${id}` },
] as const satisfies readonly PeerKind[];

/** Starts the processes of a peer, `nodeCount` of them unless another number is asked for. */
export const startPeerTarget = async (kind: PeerKind, place: PeerPlace, nodeCount = kind.nodeCount): Promise<LiveTarget> => {
  await onDatabase(place.databaseUrl, (client) => client.query(PEER_TABLES));
  const nodes = await startPeer(kind.entry, place.folder, nodeCount, {
    ...INSPECTABLE,
    DATABASE_URL: place.databaseUrl,
    REDIS_URL: place.redisUrl,
  });
  return {
    name: kind.name,
    nodes,
    makeConversations: async (count, memberCount) => {
      const conversations = Array.from({ length: count }, () => {
        const id = randomUUID();
        return { id, userIds: Array.from({ length: memberCount }, (_, i) => `${id}-${i}`) };
      });
      const text = 'INSERT INTO live_members SELECT $1, unnest($2::text[])';
      await onDatabase(place.databaseUrl, async (client) => {
        for (const { id, userIds } of conversations) await client.query(text, [id, userIds]);
      });
      return conversations;
    },
    crowdOf: async (conversations, { capacity, firstNode }) => ({
      dialect: kind.dialect,
      conversationCount: conversations.length,
      capacity,
      members: conversations.flatMap((conversation, index) =>
        conversation.userIds.map((userId, i) => ({
          urls: urlsFrom(nodes, firstNode ?? i, kind.path(conversation, userId)),
          conversation: index,
          conversationId: conversation.id,
        })),
      ),
    }),
    send: async ({ id }, content) => {
      const { ackAt, text } = await post(`${nodes[0]?.url}/messages`, { conversationId: id, content });
      return { seq: (JSON.parse(text) as { seq: number }).seq, ackAt };
    },
  };
};

const onDatabase = async (url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 60_000 });
  client.on('error', () => undefined); // the statement fails with it
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
};
