import { Client } from 'pg';
import { ConversationSummary } from '#lib/contracts/http';
import type { RunningParley } from '#lib/testing/running-parley';
import type { Member } from './member.js';
import { z } from 'zod';

/** What members were shown beside what is stored. All lists must be empty when a Parley has settled. */
export interface LiveReport {
  /** Messages that a member of the conversation was never shown. */
  readonly missing: readonly string[];
  readonly duplicated: readonly string[];
  readonly outOfOrder: readonly string[];
  /** Messages whose newest text, or deletion, a member was not shown, and versions that came after a newer one. */
  readonly stale: readonly string[];
  /** Messages whose `pipeline.delivery` is not `done`. */
  readonly undelivered: readonly string[];
  /** Members' numbers of read and unread messages that are not those of what they marked, and receipts that went back. */
  readonly receipts: readonly string[];
}

interface StoredMessage {
  readonly id: string;
  readonly conversation_id: string;
  readonly seq: string;
  readonly version: number;
  readonly content: string | null;
  readonly delivery: string | null;
  /** When it was last edited, deleted or, without either, stored. */
  readonly changed_at: Date;
}

interface StoredReceipt {
  readonly conversation_id: string;
  readonly user_id: string;
  readonly read_seq: string;
}

const TIMEOUT_MS = 30_000;

/** Reads Postgres and compares. */
export const checkMembers = async (parley: RunningParley, members: readonly Member[]): Promise<LiveReport> => {
  const { messages, receipts } = await readStored(parley.databaseUrl);
  const seen = members.flatMap(({ user, conversations }) =>
    messages.flatMap(({ id, conversation_id, seq, version, content, changed_at }): { missing?: string; stale?: string }[] => {
      const conversation = conversations.get(conversation_id);
      if (conversation === undefined) return [];
      const shown = conversation.messages[Number(seq)];
      const what = `${user}: ${conversation_id} ${seq}`;
      if (shown?.id !== id) return [{ missing: `${what} was never shown` }];
      const isNewest = shown.version === version && shown.content === content;
      return isNewest ? [] : [{ stale: `${what} is shown as v${shown.version}, not as v${version} of ${changed_at.toISOString()}` }];
    }),
  );
  const lists = await Promise.all(members.map((member) => wrongLists(parley, member)));
  const logs = members.flatMap(({ conversations }) => [...conversations.values()]);
  return {
    missing: seen.flatMap(({ missing }) => missing ?? []),
    duplicated: logs.flatMap(({ duplicated }) => duplicated),
    outOfOrder: logs.flatMap(({ outOfOrder }) => outOfOrder),
    stale: [...seen.flatMap(({ stale }) => stale ?? []), ...logs.flatMap(({ wentBack }) => wentBack)],
    undelivered: messages.flatMap(({ id, delivery }) => (delivery === 'delivered' ? [] : [`${id}: delivery is ${delivery ?? 'pending'}`])),
    receipts: [...members.flatMap(({ receiptsWentBack }) => receiptsWentBack), ...wrongReceipts(members, receipts), ...lists.flat()],
  };
};

/** Every member has marked all it was shown, which is everything. */
const wrongReceipts = (members: readonly Member[], receipts: readonly StoredReceipt[]): string[] => {
  const readBy = new Map(receipts.map(({ conversation_id, user_id, read_seq }) => [`${conversation_id} ${user_id}`, Number(read_seq)]));
  return members.flatMap(({ user, conversations }) =>
    [...conversations.values()].flatMap(({ id, head }) => {
      const read = readBy.get(`${id} ${user}`) ?? 0;
      return read === head ? [] : [`${user} has read ${id} up to ${head}, and ${read} is stored`];
    }),
  );
};

const ConversationList = z.object({ items: z.array(ConversationSummary) });

/** What the list of conversations says is unread. */
const wrongLists = async (parley: RunningParley, { user }: Member): Promise<string[]> => {
  const answer = await (await parley.client(user)).request('GET', '/v1/conversations?limit=50');
  if (answer.status !== 200) return [`${user} was refused its list: ${answer.status}`]; // to be asked again
  const { items } = ConversationList.parse(answer.body);
  return items.flatMap(({ id, unread }) => (unread === 0 ? [] : [`${user} has ${unread} unread messages in ${id}, which it has read`]));
};

const readStored = async (databaseUrl: string): Promise<{ messages: StoredMessage[]; receipts: StoredReceipt[] }> => {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS });
  client.on('error', () => undefined); // the query below already fails with it
  await client.connect();
  try {
    const { rows: messages } = await client.query<StoredMessage>(
      `select m.id, m.conversation_id, m.seq, m.version, case when m.deleted_at is null then m.content end as content, d.state as delivery,
         coalesce(m.deleted_at, m.edited_at, m.created_at) as changed_at
       from messages m left join message_deliveries d on d.message_id = m.id order by m.conversation_id, m.seq`,
    );
    const { rows: receipts } = await client.query<StoredReceipt>('select conversation_id, user_id, read_seq from conversation_members');
    return { messages, receipts };
  } finally {
    await client.end();
  }
};
