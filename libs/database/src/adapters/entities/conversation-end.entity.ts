import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/** One end of a conversation of one user. `throughSeq` is set for conversations of Parley, `fromSeq` when their messages are the log. */
@Entity('conversation_ends')
@Unique('conversation_ends_body', ['userId', 'conversationId', 'bodyHash'])
@Index('conversation_ends_of_conversation', ['userId', 'conversationId', 'createdAt'])
@Index('conversation_ends_by_conversation', ['conversationId', 'userId'])
@Index('conversation_ends_of_user', ['userId', 'id'])
export class ConversationEndEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'conversation_ends_pkey' })
  id!: string;

  /** Orders the ends of a conversation. */
  @Column({ type: 'timestamptz', name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'start_time', precision: 3 })
  startTime!: Date;

  @Column({ type: 'timestamptz', name: 'end_time', precision: 3 })
  endTime!: Date;

  /** When its log was in the object store. */
  @Column({ type: 'timestamptz', name: 'log_stored_at', precision: 3, nullable: true })
  logStoredAt!: Date | null;

  @Column({ type: 'bigint', name: 'from_seq', nullable: true })
  fromSeq!: string | null;

  @Column({ type: 'bigint', name: 'through_seq', nullable: true })
  throughSeq!: string | null;

  /** Null = it has no log. */
  @Column({ type: 'int', name: 'log_bytes', nullable: true })
  logBytes!: number | null;

  @Column({ type: 'text', name: 'user_id', collation: 'C' })
  userId!: string;

  @Column({ type: 'text', name: 'conversation_id', collation: 'C' })
  conversationId!: string;

  @Column({ type: 'text', name: 'event_id', collation: 'C' })
  eventId!: string;

  @Column({ type: 'text', name: 'body_hash', collation: 'C' })
  bodyHash!: string;
}
