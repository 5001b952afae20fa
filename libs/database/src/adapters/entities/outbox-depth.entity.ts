import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** What waits in the outbox as one process measured it for all of them: one row, claimed by the process that measures next. */
@Entity('outbox_depth')
@Check('outbox_depth_only_row_check', 'only_row')
export class OutboxDepthEntity {
  @PrimaryColumn({ type: 'boolean', name: 'only_row', default: true, primaryKeyConstraintName: 'outbox_depth_pkey' })
  onlyRow!: boolean;

  @Column({ type: 'timestamptz', name: 'claimed_at', default: () => `'-infinity'` })
  claimedAt!: Date;

  @Column({ type: 'timestamptz', name: 'measured_at', default: () => `'-infinity'` })
  measuredAt!: Date;

  @Column({ type: 'bigint', name: 'pending', default: 0 })
  pending!: string;

  @Column({ type: 'bigint', name: 'parked', default: 0 })
  parked!: string;

  @Column({ type: 'float8', name: 'oldest_age_seconds', default: 0 })
  oldestAgeSeconds!: number;

  /** `pending` comes from a sample of the table's blocks. */
  @Column({ type: 'boolean', name: 'is_estimate', default: false })
  isEstimate!: boolean;
}
