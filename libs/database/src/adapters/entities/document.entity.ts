import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A document that members of a conversation find; its text is in its parts. */
@Entity('documents')
@Check('documents_length_check', 'length > 0')
@Check('documents_bytes_check', 'bytes > 0')
@Check('documents_part_count_check', 'part_count > 0')
@Check('documents_chunk_count_check', 'chunk_count > 0')
@Check('documents_state_check', `state IN ('pending', 'indexing', 'done', 'failed')`)
@Index('documents_keys', ['ownerId', 'clientKey'], { unique: true, where: 'client_key IS NOT NULL' })
@Index('documents_by_conversation', ['conversationId'])
@Index('documents_by_owner', ['ownerId'])
@Index('documents_open', ['ownerId'], { where: `state IN ('pending', 'indexing')` })
export class DocumentEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'documents_pkey' })
  id!: string;

  @Column({ type: 'uuid', name: 'conversation_id' })
  conversationId!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  /** When `state` last changed, or its indexing last went on. */
  @Column({ type: 'timestamptz', name: 'changed_at', precision: 3, default: () => 'now()' })
  changedAt!: Date;

  /** Of its text, in UTF-16 units. */
  @Column({ type: 'int', name: 'length' })
  length!: number;

  /** Of its text, in UTF-8. */
  @Column({ type: 'int', name: 'bytes' })
  bytes!: number;

  @Column({ type: 'int', name: 'part_count' })
  partCount!: number;

  /** Chunks of all its parts. */
  @Column({ type: 'int', name: 'chunk_count' })
  chunkCount!: number;

  @Column({ type: 'text', name: 'owner_id', collation: 'C' })
  ownerId!: string;

  /** Of its vectors. */
  @Column({ type: 'text', name: 'state', collation: 'C', default: () => `'pending'` })
  state!: 'pending' | 'indexing' | 'done' | 'failed';

  /** Idempotency key of its owner, for ever. */
  @Column({ type: 'text', name: 'client_key', collation: 'C', nullable: true })
  clientKey!: string | null;

  /** SHA-256 of conversation, title and text: another body under the same key is refused. */
  @Column({ type: 'bytea', name: 'body_hash' })
  bodyHash!: Buffer;

  @Column({ type: 'text', name: 'title' })
  title!: string;
}
