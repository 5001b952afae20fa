import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/**
 * A conversation with its head. Each shared commit updates `head_seq` and `last_activity_at`: no index may name them, so that these updates
 * stay "heap-only" (fillfactor 50).
 */
@Entity('conversations')
@Check('conversations_head_seq_check', 'head_seq >= 0')
export class ConversationEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'conversations_pkey' })
  id!: string;

  /** Seq of the newest message; 0 = none. */
  @Column({ type: 'bigint', name: 'head_seq', default: 0 })
  headSeq!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'last_activity_at', precision: 3 })
  lastActivityAt!: Date;

  @Column({ type: 'text', name: 'creator_id', collation: 'C' })
  creatorId!: string;

  @Column({ type: 'text', name: 'title', nullable: true })
  title!: string | null;

  /** Raised by each change of its members. */
  @Column({ type: 'int', name: 'members_version', default: 0 })
  membersVersion!: number;
}
