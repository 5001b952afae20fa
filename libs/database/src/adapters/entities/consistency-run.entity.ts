import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** Comparisons of messages, ledger and vector store: requested by operators and the schedule, run by `ops`, with their reports. */
@Entity('consistency_runs')
@Check('consistency_runs_kind_check', `kind IN ('check', 'repair')`)
export class ConsistencyRunEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'consistency_runs_pkey' })
  id!: string;

  @Column({ type: 'timestamptz', name: 'requested_at', default: () => 'now()' })
  requestedAt!: Date;

  @Column({ type: 'timestamptz', name: 'started_at', nullable: true })
  startedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'finished_at', nullable: true })
  finishedAt!: Date | null;

  /** The run belongs to the process that claimed it until then. */
  @Column({ type: 'timestamptz', name: 'lease_until', nullable: true })
  leaseUntil!: Date | null;

  /** Times the run was claimed. */
  @Column({ type: 'int', name: 'starts', default: 0 })
  starts!: number;

  @Column({ type: 'text', name: 'kind' })
  kind!: 'check' | 'repair';

  /** User id of the operator, or the schedule. */
  @Column({ type: 'text', name: 'requested_by' })
  requestedBy!: string;

  /** What the version that wrote it put there: parsed when it is read. */
  @Column({ type: 'jsonb', name: 'report', nullable: true })
  report!: object | null;

  @Column({ type: 'text', name: 'failure', nullable: true })
  failure!: string | null;
}
