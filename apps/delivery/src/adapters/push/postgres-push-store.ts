import type { UserId } from '#lib/contracts/ids';
import type { DeviceId, PushProvider } from '#lib/contracts/push';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import {
  type MemberPlace,
  type NamedPush,
  type NewestMessage,
  PushStorePort,
  type PushState,
  type RegisteredDevice,
  SHOWN_AMONG,
  SHOWN_CHARACTERS,
} from '../../push/push-store.port.js';

/** Members that one statement looks at: some 10 ms, also when none of them has a device. */
const PAGE = 2_000;

// Members first, by the key of their table, then their devices: a page is bounded however few of its members have one, and each conversation is
// read from where its last page ended.
const DEVICES = {
  name: 'push-devices',
  text: `
    WITH page AS MATERIALIZED (
      SELECT due.conversation_id, m.user_id, m.user_id <> due.sender_id AS "isTold"
      FROM unnest($1::uuid[], $2::text[], $3::text[]) AS due (conversation_id, sender_id, after_user)
      CROSS JOIN LATERAL (
        SELECT user_id FROM conversation_members
        WHERE conversation_id = due.conversation_id AND user_id > due.after_user ORDER BY user_id LIMIT ${PAGE}
      ) m
      ORDER BY due.conversation_id, m.user_id LIMIT ${PAGE}
    )
    SELECT page.conversation_id AS "conversationId", page.user_id AS "userId", d.id AS "deviceId"
      FROM page JOIN devices d ON d.user_id = page.user_id WHERE "isTold"
    UNION ALL
    (SELECT conversation_id, user_id, NULL FROM page ORDER BY conversation_id, user_id OFFSET ${PAGE - 1})`,
};

const STATES = {
  name: 'push-states',
  text: `
    SELECT d.provider, d.token, m.read_seq AS "readSeq", c.title,
           shown.id AS "messageId", shown.seq, shown.sender_id AS "senderId", shown.beginning
      FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY AS due (conversation_id, seq, user_id, device_id, place)
      LEFT JOIN devices d ON d.user_id = due.user_id AND d.id = due.device_id
      LEFT JOIN conversation_members m ON m.conversation_id = due.conversation_id AND m.user_id = due.user_id
      LEFT JOIN conversations c ON c.id = due.conversation_id
      LEFT JOIN LATERAL (
        SELECT id, seq, sender_id, left(content, ${SHOWN_CHARACTERS}) AS beginning FROM messages
        WHERE conversation_id = due.conversation_id AND seq >= greatest(due.seq, c.head_seq - ${SHOWN_AMONG - 1})
          AND deleted_at IS NULL AND sender_id <> due.user_id
        ORDER BY seq DESC LIMIT 1
      ) shown ON true
     ORDER BY due.place`,
};

const REMOVE = 'DELETE FROM devices WHERE user_id = $1 AND id = $2 AND provider = $3 AND token = $4';

interface DeviceRow extends MemberPlace {
  /** Null: the last member of a full page. */
  readonly deviceId: DeviceId | null;
}

interface StateRow {
  readonly provider: PushProvider | null;
  readonly token: string | null;
  readonly readSeq: string | null;
  readonly title: string | null;
  readonly messageId: string | null;
  readonly seq: string | null;
  readonly senderId: string | null;
  readonly beginning: string | null;
}

/** Devices, members and messages in Postgres. */
export class PostgresPushStore extends PushStorePort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async devicesOf(messages: readonly NewestMessage[], after: MemberPlace | undefined) {
    const left = after === undefined ? messages : messages.filter(({ conversationId }) => conversationId >= after.conversationId);
    const values = [
      left.map(({ conversationId }) => conversationId),
      left.map(({ senderId }) => senderId),
      left.map(({ conversationId }) => (conversationId === after?.conversationId ? after.userId : '')),
    ];
    const rows = await this.work.query<DeviceRow>(DEVICES, values);
    return {
      devices: rows.flatMap(({ deviceId, ...member }) => (deviceId === null ? [] : [{ ...member, deviceId }])),
      next: rows.find(({ deviceId }) => deviceId === null),
    };
  }

  async statesOf(pushes: readonly NamedPush[]): Promise<PushState[]> {
    const values = [
      pushes.map(({ conversationId }) => conversationId),
      pushes.map(({ seq }) => seq),
      pushes.map(({ userId }) => userId),
      pushes.map(({ deviceId }) => deviceId),
    ];
    return (await this.work.query<StateRow>(STATES, values)).map(stateFrom);
  }

  async removeDevice(userId: UserId, deviceId: DeviceId, { provider, token }: RegisteredDevice): Promise<void> {
    await this.work.query(REMOVE, [userId, deviceId, provider, token]);
  }
}

const stateFrom = ({ provider, token, readSeq, title, messageId, seq, senderId, beginning }: StateRow): PushState => ({
  device: provider === null || token === null ? undefined : { provider, token },
  readSeq: readSeq === null ? undefined : Number(readSeq),
  title,
  shown:
    messageId === null || seq === null || senderId === null || beginning === null
      ? undefined
      : { messageId, seq: Number(seq), senderId, beginning },
});
