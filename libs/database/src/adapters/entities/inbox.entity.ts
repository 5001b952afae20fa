import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Which consumer has handled which event, so that an event that comes twice has its effect once. */
@Entity('inbox')
@Index('inbox_processed_at', ['processedAt'], { type: 'brin' })
export class InboxEntity {
  /** The queue that the event came from; the key begins with it. */
  @PrimaryColumn({ type: 'text', name: 'consumer', primaryKeyConstraintName: 'inbox_pkey' })
  consumer!: string;

  @PrimaryColumn({ type: 'uuid', name: 'event_id', primaryKeyConstraintName: 'inbox_pkey' })
  eventId!: string;

  @Column({ type: 'timestamptz', name: 'processed_at', default: () => 'now()' })
  processedAt!: Date;
}
