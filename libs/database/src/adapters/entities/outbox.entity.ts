import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Events that a commit has promised and that RabbitMQ has not confirmed. A row lives for milliseconds when all is well. */
@Entity('outbox')
@Index('outbox_due', ['dueAt'], { where: 'parked_at IS NULL' })
@Index('outbox_parked', ['parkedAt'], { where: 'parked_at IS NOT NULL' })
export class OutboxEntity {
  @PrimaryColumn({ type: 'uuid', name: 'event_id', primaryKeyConstraintName: 'outbox_pkey' })
  eventId!: string;

  @Column({ type: 'timestamptz', name: 'created_at', default: () => 'now()' })
  createdAt!: Date;

  /** "Not before", and the end of a lease. */
  @Column({ type: 'timestamptz', name: 'due_at', default: () => 'now()' })
  dueAt!: Date;

  /** Set aside after too many tries: an operator decides. */
  @Column({ type: 'timestamptz', name: 'parked_at', nullable: true })
  parkedAt!: Date | null;

  @Column({ type: 'int', name: 'attempts', default: 0 })
  attempts!: number;

  @Column({ type: 'text', name: 'routing_key' })
  routingKey!: string;

  @Column({ type: 'jsonb', name: 'envelope' })
  envelope!: Record<string, unknown>;

  @Column({ type: 'jsonb', name: 'headers', default: {} })
  headers!: Record<string, unknown>;

  @Column({ type: 'text', name: 'last_failure', nullable: true })
  lastFailure!: string | null;

  @Column({ type: 'text', name: 'park_reason', nullable: true })
  parkReason!: string | null;
}
