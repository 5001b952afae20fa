import { ParleySocket } from '#client/parley-socket';
import type { Change } from '#client/ordered-conversation';
import type { ReceiptOfMember } from '#client/frames';

/** A message as a member has it: its newest version, and null when it is deleted. */
export interface MemberMessage {
  readonly id: string;
  readonly version: number;
  readonly content: string | null;
}

/** What a member's client showed of one conversation. */
export class ConversationOfMember {
  /** Index 0 is unused. */
  readonly messages: (MemberMessage | undefined)[] = [];
  /** The newest of which all before it were shown. */
  head = 0;
  readonly duplicated: string[] = [];
  readonly outOfOrder: string[] = [];
  readonly wentBack: string[] = [];

  constructor(readonly id: string) {}

  take({ type, seq, message }: Change, who: string): void {
    const { id, version, content } = message;
    const now = { id, version, content: message.deletedAt === undefined ? content : null };
    const before = this.messages[seq];
    if (type === 'created') {
      const line = `${who} was shown ${this.id} ${seq} after ${this.head}`;
      if (before !== undefined) this.duplicated.push(line);
      else if (seq !== this.head + 1) this.outOfOrder.push(line);
      this.head = Math.max(this.head, seq);
    } else if (before === undefined || before.version > version) {
      this.wentBack.push(
        `${who} was shown v${version} of ${this.id} ${seq} ${before === undefined ? 'before the message' : `after v${before.version}`}`,
      );
    }
    if (type !== 'created' && before?.version === version) this.duplicated.push(`${who} was shown v${version} of ${this.id} ${seq} twice`);
    this.messages[seq] = now;
  }
}

/** Each mark becomes an event and a frame to every member: a tenth of the load. */
const READ_EVERY_MS = 5_000;

/** One user with an open socket, who reads along and marks what it has read. */
export class Member {
  readonly conversations: ReadonlyMap<string, ConversationOfMember>;
  readonly receiptsWentBack: string[] = [];
  changeCount = 0;
  connectionCount = 0;
  readonly socket: ParleySocket;
  private readonly receipts = new Map<string, ReceiptOfMember>();
  private readonly reading: NodeJS.Timeout;

  /** `onCreated` hears of each message that is shown. */
  constructor(
    readonly user: string,
    options: { url: string; token: () => Promise<string>; conversationIds: readonly string[]; onCreated: (messageId: string) => void },
  ) {
    const { url, token, conversationIds, onCreated } = options;
    this.conversations = new Map(conversationIds.map((id) => [id, new ConversationOfMember(id)]));
    this.socket = new ParleySocket({ url, token, resume: conversationIds.map((conversationId) => ({ conversationId, seq: 0 })) });
    for (const event of ['message', 'edited', 'deleted'] as const) {
      this.socket.on(event, (change) => {
        this.changeCount += 1;
        this.conversations.get(change.conversationId)?.take(change, user);
        if (event === 'message') onCreated(change.message.id);
      });
    }
    this.socket.on('receipt', (receipt) => this.heardReceipt(receipt));
    this.socket.on('state', ({ state }) => {
      if (state === 'live') this.connectionCount += 1;
    });
    this.reading = setInterval(() => this.readAll(), READ_EVERY_MS);
  }

  /** Marks everything that was shown as read. */
  readAll(): void {
    for (const { id, head } of this.conversations.values()) if (head > 0) this.socket.markRead(id, head);
  }

  close(): void {
    clearInterval(this.reading);
    this.socket.close();
  }

  /** Receipts only ever rise. */
  private heardReceipt(receipt: ReceiptOfMember): void {
    const key = `${receipt.conversationId} ${receipt.userId}`;
    const before = this.receipts.get(key);
    if (before !== undefined && (receipt.readSeq < before.readSeq || receipt.deliveredSeq < before.deliveredSeq)) {
      this.receiptsWentBack.push(`${this.user} was told ${key} read ${receipt.readSeq} after ${before.readSeq}`);
    }
    this.receipts.set(key, receipt);
  }
}
