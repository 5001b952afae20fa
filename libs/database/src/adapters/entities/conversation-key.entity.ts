import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Which conversation an idempotency key of its creator stands for, for ever. */
@Entity('conversation_keys')
export class ConversationKeyEntity {
  @Column({ type: 'uuid', name: 'conversation_id' })
  conversationId!: string;

  /** When the conversation was started: part of the answer that is repeated. */
  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  @PrimaryColumn({ type: 'text', name: 'creator_id', collation: 'C', primaryKeyConstraintName: 'conversation_keys_pkey' })
  creatorId!: string;

  @PrimaryColumn({ type: 'text', name: 'client_key', collation: 'C', primaryKeyConstraintName: 'conversation_keys_pkey' })
  clientKey!: string;

  /** SHA-256 of title and members: another body under the same key is refused. */
  @Column({ type: 'bytea', name: 'body_hash' })
  bodyHash!: Buffer;
}
