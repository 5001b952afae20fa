import type { Message } from '../message.js';

/** A row of `messages` as {@link messageColumns} selects it. `bigint` comes as text. */
export interface MessageRow {
  readonly id: string;
  readonly conversationId: string;
  readonly seq: string;
  readonly senderId: string;
  readonly content: string;
  readonly metadata: Record<string, unknown> | null;
  readonly version: number;
  readonly createdAt: Date;
  readonly editedAt: Date | null;
  readonly deletedAt: Date | null;
}

/** The columns of a {@link MessageRow}, from a table or alias of that name. */
export const messageColumns = (table: string): string =>
  `${table}.id, ${table}.conversation_id AS "conversationId", ${table}.seq, ${table}.sender_id AS "senderId", ${table}.content,
   ${table}.metadata, ${table}.version, ${table}.created_at AS "createdAt", ${table}.edited_at AS "editedAt", ${table}.deleted_at AS "deletedAt"`;

/** Bytes that a message of that table or alias adds to an answer. Neither reads nor unpacks a long text. */
export const messageBytes = (table: string): string => `(octet_length(${table}.content) + coalesce(pg_column_size(${table}.metadata), 0))`;

/** What the rows before this one (in that order) add up to: a condition on it ends a page at a size. */
export const bytesBefore = (bytes: string, order: string): string =>
  `sum(${bytes}) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING) - ${bytes} AS "bytesBefore"`;

/** The message that a row holds. A deleted one keeps nothing of what it said, whatever the row still has. */
export const messageFrom = (row: MessageRow): Message => ({
  id: row.id,
  conversationId: row.conversationId,
  seq: Number(row.seq),
  senderId: row.senderId,
  content: row.deletedAt === null ? row.content : '',
  metadata: row.deletedAt === null ? (row.metadata ?? undefined) : undefined,
  version: row.version,
  createdAt: row.createdAt,
  editedAt: row.editedAt ?? undefined,
  deletedAt: row.deletedAt ?? undefined,
});
