import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { ConversationEntity } from './conversation.entity.js';

/** Who belongs to a conversation, and what has reached and been read by each member. */
@Entity('conversation_members')
@Index('conversation_members_by_user', ['userId', 'conversationId'])
@Index('conversation_members_by_joining', ['joinedAt'])
@Check('conversation_members_delivered_seq_check', 'delivered_seq >= 0')
@Check('conversation_members_read_seq_check', 'read_seq >= 0')
export class ConversationMemberEntity {
  @PrimaryColumn({ type: 'uuid', name: 'conversation_id', primaryKeyConstraintName: 'conversation_members_pkey' })
  @ForeignKey(() => ConversationEntity, { name: 'conversation_members_conversation_id_fkey', onDelete: 'CASCADE' })
  conversationId!: string;

  @Column({ type: 'bigint', name: 'delivered_seq', default: 0 })
  deliveredSeq!: string;

  @Column({ type: 'bigint', name: 'read_seq', default: 0 })
  readSeq!: string;

  @Column({ type: 'timestamptz', name: 'joined_at', precision: 3, default: () => 'now()' })
  joinedAt!: Date;

  @PrimaryColumn({ type: 'text', name: 'user_id', collation: 'C', primaryKeyConstraintName: 'conversation_members_pkey' })
  userId!: string;
}
