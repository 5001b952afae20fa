import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The ledger: which version of which message has which vectors. What the vector store should hold can be rebuilt from it. */
@Entity('message_chunks')
@Check('message_chunks_version_check', 'version > 0')
@Check('message_chunks_chunk_count_check', 'chunk_count >= 0')
@Check('message_chunks_state_check', `state IN ('indexed', 'removed', 'failed')`)
export class MessageChunkEntity {
  @PrimaryColumn({ type: 'uuid', name: 'message_id', primaryKeyConstraintName: 'message_chunks_pkey' })
  messageId!: string;

  @Column({ type: 'timestamptz', name: 'updated_at', default: () => 'now()' })
  updatedAt!: Date;

  @Column({ type: 'int', name: 'version' })
  version!: number;

  @Column({ type: 'int', name: 'chunk_count' })
  chunkCount!: number;

  /** Embedding model that made the vectors. */
  @Column({ type: 'text', name: 'model' })
  model!: string;

  @Column({ type: 'text', name: 'state' })
  state!: 'indexed' | 'removed' | 'failed';

  @Column({ type: 'text', name: 'failure', nullable: true })
  failure!: string | null;
}
