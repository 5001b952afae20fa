import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A nightly run of scoring. */
@Entity('nightly_runs')
export class NightlyRunEntity {
  @Column({ type: 'timestamptz', name: 'started_at', default: () => 'now()' })
  startedAt!: Date;

  /** Users with an end since then are active. */
  @Column({ type: 'timestamptz', name: 'active_since' })
  activeSince!: Date;

  @Column({ type: 'timestamptz', name: 'finished_at', nullable: true })
  finishedAt!: Date | null;

  /** Ends that a model has to read, once they are counted. */
  @Column({ type: 'bigint', name: 'expected_ends', nullable: true })
  expectedEnds!: string | null;

  @Column({ type: 'bigint', name: 'enqueued_users', default: 0 })
  enqueuedUsers!: string;

  /** Of its schedule, in the schedule's time zone. */
  @PrimaryColumn({ type: 'date', name: 'date', primaryKeyConstraintName: 'nightly_runs_pkey' })
  date!: string;

  /** The last user that was looked at. */
  @Column({ type: 'text', name: 'cursor', collation: 'C', default: '' })
  cursor!: string;
}
