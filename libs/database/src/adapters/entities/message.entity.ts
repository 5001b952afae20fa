import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/**
 * Messages. Only `ingest_messages()` inserts, under the lock of the conversation's row: so there is no foreign key to look up. A deleted
 * message keeps its row and its seq; its content is ''. Triggers enlist each change in `texts_to_index`.
 */
@Entity('messages')
@Unique('messages_seq', ['conversationId', 'seq'])
@Index('messages_changes', { synchronize: false })
@Index('messages_client_key', ['conversationId', 'senderId', 'clientKey'], { unique: true, where: 'client_key IS NOT NULL' })
@Check('messages_seq_check', 'seq > 0')
@Check('messages_version_check', 'version > 0')
@Check('messages_key_has_hash', '(client_key IS NULL) = (body_hash IS NULL)')
export class MessageEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'messages_pkey' })
  id!: string;

  @Column({ type: 'uuid', name: 'conversation_id' })
  conversationId!: string;

  /** Place in its conversation, without gaps, from 1. */
  @Column({ type: 'bigint', name: 'seq' })
  seq!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'edited_at', precision: 3, nullable: true })
  editedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'deleted_at', precision: 3, nullable: true })
  deletedAt!: Date | null;

  /** Raised by each edit and by the deletion. */
  @Column({ type: 'int', name: 'version', default: 1 })
  version!: number;

  @Column({ type: 'text', name: 'sender_id', collation: 'C' })
  senderId!: string;

  /** Idempotency key of the sender. */
  @Column({ type: 'text', name: 'client_key', collation: 'C', nullable: true })
  clientKey!: string | null;

  @Column({ type: 'bytea', name: 'body_hash', nullable: true })
  bodyHash!: Buffer | null;

  @Column({ type: 'text', name: 'content' })
  content!: string;

  @Column({ type: 'jsonb', name: 'metadata', nullable: true })
  metadata!: Record<string, unknown> | null;
}
