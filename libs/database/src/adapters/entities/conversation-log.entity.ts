import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { ConversationEndEntity } from './conversation-end.entity.js';

/** The log of an end, until it is in the object store (ADR 31): gzipped NDJSON. */
@Entity('conversation_logs')
export class ConversationLogEntity {
  @PrimaryColumn({ type: 'uuid', name: 'end_id', primaryKeyConstraintName: 'conversation_logs_pkey' })
  @ForeignKey(() => ConversationEndEntity, { name: 'conversation_logs_end_id_fkey', onDelete: 'CASCADE' })
  endId!: string;

  @Column({ type: 'bytea', name: 'body' })
  body!: Buffer;
}
