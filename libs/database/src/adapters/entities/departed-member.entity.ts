import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Members who left on their own: others do not add them again; they return themselves, unless the creator removed them afterwards. */
@Entity('departed_members')
@Index('departed_members_by_user', ['userId'])
export class DepartedMemberEntity {
  @PrimaryColumn({ type: 'uuid', name: 'conversation_id', primaryKeyConstraintName: 'departed_members_pkey' })
  conversationId!: string;

  @Column({ type: 'timestamptz', name: 'left_at', precision: 3 })
  leftAt!: Date;

  /** False once the creator has removed the member that left. */
  @Column({ type: 'boolean', name: 'may_return' })
  mayReturn!: boolean;

  @PrimaryColumn({ type: 'text', name: 'user_id', collation: 'C', primaryKeyConstraintName: 'departed_members_pkey' })
  userId!: string;
}
