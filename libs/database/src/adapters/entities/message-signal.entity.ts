import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What the newest version of a message says about its author. */
@Entity('message_signals')
@Index('message_signals_by_user', ['userId'])
@Check('message_signals_version_check', 'version > 0')
@Check('message_signals_state_check', `state IN ('scored', 'removed', 'failed')`)
@Check(
  'message_signals_scored_check',
  `(state = 'scored') = (length IS NOT NULL AND is_question IS NOT NULL AND language IS NOT NULL AND emotion IS NOT NULL)`,
)
export class MessageSignalEntity {
  @PrimaryColumn({ type: 'uuid', name: 'message_id', primaryKeyConstraintName: 'message_signals_pkey' })
  messageId!: string;

  @Column({ type: 'uuid', name: 'conversation_id' })
  conversationId!: string;

  @Column({ type: 'timestamptz', name: 'at', precision: 3 })
  at!: Date;

  @Column({ type: 'bigint', name: 'seq' })
  seq!: string;

  @Column({ type: 'int', name: 'version' })
  version!: number;

  /** UTF-16 units; this and the other signals are only there for `scored`. */
  @Column({ type: 'int', name: 'length', nullable: true })
  length!: number | null;

  @Column({ type: 'boolean', name: 'is_question', nullable: true })
  isQuestion!: boolean | null;

  @Column({ type: 'text', name: 'user_id', collation: 'C' })
  userId!: string;

  /** `removed`: the message is deleted. `failed`: its event is a dead letter. */
  @Column({ type: 'text', name: 'state' })
  state!: 'scored' | 'removed' | 'failed';

  @Column({ type: 'text', name: 'language', nullable: true })
  language!: string | null;

  @Column({ type: 'text', name: 'emotion', nullable: true })
  emotion!: string | null;
}
