import { connect } from 'amqplib';
import { ChromaClient, type Collection } from 'chromadb';
import { Client } from 'pg';
import { topologyOf } from '#lib/bus/topology';
import { pipeline } from '#lib/contracts/pipeline';
import { rowsOf } from './rows-of.js';

// What Postgres, Chroma and RabbitMQ hold, each asked directly and not through Parley.

/** A message with what the ledgers of its stages say. */
export interface MessageRow {
  readonly id: string;
  readonly conversation_id: string;
  readonly seq: string;
  readonly sender_id: string;
  readonly version: number;
  readonly created_at: Date;
  readonly deleted_at: Date | null;
  readonly client_key: string | null;
  readonly content: string;
  readonly ledger_version: number | null;
  readonly ledger_chunks: number | null;
  readonly ledger_state: string | null;
  readonly delivered_version: number | null;
  readonly delivery_state: string | null;
  /** `version state language is_question emotion length`. */
  readonly signals: string | null;
}

const TIMEOUT_MS = 30_000;
/** Conversations per question to Chroma, and chunks per answer. */
const PAGE = { conversations: 50, chunks: 5_000 } as const;

/** The messages of a database, and what else tells whether they are whole. */
export async function readPostgres(databaseUrl: string) {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS });
  client.on('error', () => undefined); // the query below already fails with it
  await client.connect();
  try {
    // One snapshot: a message that is being stored must not look like a gap.
    await client.query('begin isolation level repeatable read read only');
    const { rows: messages } = await client.query<MessageRow>(`
      select m.id, m.conversation_id, m.seq, m.sender_id, m.version, m.created_at, m.deleted_at, m.client_key, m.content,
             l.version as ledger_version, l.chunk_count as ledger_chunks, l.state as ledger_state,
             d.version as delivered_version, d.state as delivery_state,
             concat_ws(' ', s.version, s.state, s.language, s.is_question::text, s.emotion, s.length) as signals
      from messages m left join message_chunks l on l.message_id = m.id left join message_deliveries d on d.message_id = m.id
        left join message_signals s on s.message_id = m.id`);
    const { rows: stray } = await client.query<{ id: string }>(
      'select message_id as id from message_signals s where not exists (select from messages where id = s.message_id)',
    );
    const { rows: conversations } = await client.query<{ id: string; head_seq: string }>('select id, head_seq from conversations');
    const { rows: outbox } = await client.query<{ event_id: string; attempts: number; parked: boolean }>(
      'select event_id, attempts, parked_at is not null as parked from outbox',
    );
    return {
      messages,
      straySignals: stray.map(({ id }) => `signals of ${id}, which is not stored`),
      heads: new Map(conversations.map(({ id, head_seq }) => [id, Number(head_seq)])),
      outbox: outbox.map(({ event_id, attempts, parked }) => `outbox ${event_id}${parked ? ' parked' : ''} after ${attempts} attempts`),
    };
  } finally {
    await client.end();
  }
}

/** Version by chunk id by message id, in the embedded mode. */
export async function readVectors(databaseUrl: string): Promise<Map<string, Map<string, number>>> {
  const found = new Map<string, Map<string, number>>();
  const rows = await rowsOf<{ id: string; messageId: string; version: number }>(
    databaseUrl,
    'select chunk_id as id, message_id as "messageId", version from embedded.vectors',
    TIMEOUT_MS,
  );
  for (const { id, messageId, version } of rows) found.set(messageId, (found.get(messageId) ?? new Map<string, number>()).set(id, version));
  return found;
}

/** What the bus of the embedded mode holds, in hand or not. */
export async function readJournal(databaseUrl: string): Promise<string[]> {
  const rows = await rowsOf<{ queue: string; count: number }>(
    databaseUrl,
    'select queue, count(*)::int as count from embedded.deliveries group by queue',
  );
  return rows.map(({ queue, count }) => `${count} in ${queue}`);
}

/** Parley's collections. */
export async function collectionsOf(chromaUrl: string): Promise<Collection[]> {
  const { hostname, port, protocol } = new URL(chromaUrl);
  const chroma = new ChromaClient({ host: hostname, port: Number(port), ssl: protocol === 'https:' });
  const all = await chroma.listCollections({ limit: 1_000 });
  return Promise.all(all.filter(({ name }) => name.startsWith('parley-messages-')).map(({ name }) => chroma.getCollection({ name })));
}

/** Version by chunk id by message id, over all collections of Parley: vectors in the collection of another model would be strays too. */
export async function readChroma(chromaUrl: string, conversationIds: readonly string[]): Promise<Map<string, Map<string, number>>> {
  const found = new Map<string, Map<string, number>>();
  for (const collection of await collectionsOf(chromaUrl)) {
    for (let from = 0; from < conversationIds.length; from += PAGE.conversations) {
      const where = { conversationId: { $in: conversationIds.slice(from, from + PAGE.conversations) } };
      for (let offset = 0; ; offset += PAGE.chunks) {
        const { ids, metadatas } = await collection.get({ where, include: ['metadatas'], limit: PAGE.chunks, offset });
        ids.forEach((id, i) => {
          const [messageId = id] = id.split('#');
          const chunks = found.get(messageId) ?? new Map<string, number>();
          found.set(messageId, chunks.set(id, Number(metadatas[i]?.['version'])));
        });
        if (ids.length < PAGE.chunks) break;
      }
    }
  }
  return found;
}

/** Queues that hold messages, and how many. Those that a consumer holds do not count here; their vectors are missing then, which shows. */
export async function readQueues(rabbitmqUrl: string): Promise<string[]> {
  const connection = await connect(rabbitmqUrl, { timeout: TIMEOUT_MS });
  connection.on('error', () => undefined); // the call below already fails with it
  try {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    const lines: string[] = [];
    for (const { name } of topologyOf(pipeline).queues) {
      const { messageCount } = await channel.checkQueue(name);
      if (messageCount > 0) lines.push(`${messageCount} in ${name}`);
    }
    return lines;
  } finally {
    await connection.close();
  }
}
