import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';

/** A vector with what a search asks of its chunk. */
export interface HeldVector {
  readonly id: string;
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  readonly senderId: UserId;
  readonly isDocument: boolean;
  readonly createdAtMs: number;
  readonly embedding: Float32Array;
}

/** Ids and numbers of one vector beside its floats, and the entry of a conversation, in bytes; measured roughly. */
const OVERHEAD = 400;

interface Conversation {
  readonly vectors: Map<string, HeldVector>;
  bytes: number;
}

/** Conversations that are being read. */
export interface Reading {
  add(vectors: readonly HeldVector[]): void;
  /** Everything of them was read. */
  end(): void;
  /** The read is over, complete or not: writes need not tell of it any more. After `end` it does nothing. */
  abandon(): void;
}

/**
 * The vectors of whole conversations, within a limit of bytes: those that were searched least recently leave. The store tells of what it writes;
 * a conversation that is written while it is read is not kept, because the read may not have seen the write.
 */
export class HeldVectors {
  /** Least recently used first. */
  private readonly conversations = new Map<ConversationId, Conversation>();
  private readonly readings = new Set<Set<ConversationId>>();
  private bytes = 0;
  /** Of readings that are under way: together they hold no more than the limit either. */
  private readingBytes = 0;

  constructor(private readonly limitBytes: number) {}

  /** All vectors of a conversation; undefined when they are not in memory. */
  of(id: ConversationId): Iterable<HeldVector> | undefined {
    const held = this.conversations.get(id);
    if (held === undefined) return undefined;
    this.conversations.delete(id);
    this.conversations.set(id, held);
    return held.vectors.values();
  }

  begin(conversations: readonly ConversationId[]): Reading {
    const clean = new Set(conversations);
    const read = new Map<ConversationId, HeldVector[]>(conversations.map((id) => [id, []]));
    let bytes = 0;
    const take = (more: number) => {
      bytes += more;
      this.readingBytes += more;
    };
    const over = () => {
      this.readings.delete(clean);
      take(-bytes);
      read.clear();
    };
    this.readings.add(clean);
    take(conversations.length * OVERHEAD);
    return {
      add: (vectors) => {
        if (!this.readings.has(clean)) return;
        take(vectors.reduce((sum, vector) => sum + sizeOf(vector), 0));
        // What does not fit as a whole is read each time.
        if (this.readingBytes > this.limitBytes) return over();
        for (const vector of vectors) read.get(vector.conversationId)?.push(vector);
      },
      end: () => {
        if (!this.readings.has(clean)) return;
        for (const [id, vectors] of read) if (clean.has(id)) this.hold(id, vectors);
        over();
        this.shrink();
      },
      abandon: over,
    };
  }

  /** After a write of which it is not known what became of it: nothing in memory is sure. */
  clear(): void {
    this.conversations.clear();
    this.bytes = 0;
    for (const reading of this.readings) reading.clear();
  }

  /** Reads under way: each write looks at all of them. */
  get readingCount(): number {
    return this.readings.size;
  }

  /** Vectors that were written. */
  put(vectors: readonly HeldVector[]): void {
    for (const vector of vectors) {
      this.touched(vector.conversationId);
      const held = this.conversations.get(vector.conversationId);
      if (held === undefined) continue;
      const known = held.vectors.get(vector.id);
      // In its place: a search that is under way must not meet it once more at the end.
      held.vectors.set(vector.id, vector);
      this.grow(held, sizeOf(vector) - (known === undefined ? 0 : sizeOf(known)));
    }
    this.shrink();
  }

  /** Vectors that were removed. */
  drop(vectors: readonly Pick<HeldVector, 'id' | 'conversationId'>[]): void {
    for (const { id, conversationId } of vectors) {
      this.touched(conversationId);
      const held = this.conversations.get(conversationId);
      const known = held?.vectors.get(id);
      if (held === undefined || known === undefined) continue;
      held.vectors.delete(id);
      this.grow(held, -sizeOf(known));
    }
  }

  private touched(id: ConversationId): void {
    for (const reading of this.readings) reading.delete(id);
  }

  private hold(id: ConversationId, vectors: readonly HeldVector[]): void {
    if (this.conversations.has(id)) return;
    const held = { vectors: new Map(vectors.map((vector) => [vector.id, vector])), bytes: 0 };
    this.conversations.set(id, held);
    this.grow(
      held,
      vectors.reduce((sum, vector) => sum + sizeOf(vector), OVERHEAD),
    );
  }

  private grow(held: Conversation, bytes: number): void {
    held.bytes += bytes;
    this.bytes += bytes;
  }

  private shrink(): void {
    for (const [id, { bytes }] of this.conversations) {
      if (this.bytes <= this.limitBytes) return;
      this.conversations.delete(id);
      this.bytes -= bytes;
    }
  }
}

const sizeOf = ({ embedding }: HeldVector): number => embedding.byteLength + OVERHEAD;
