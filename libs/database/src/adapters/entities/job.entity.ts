import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Long work that was asked for, and what came of it. */
@Entity('jobs')
@Check('jobs_kind_check', `kind IN ('score', 'erasure')`)
@Check('jobs_status_check', `status IN ('queued', 'running', 'done', 'failed')`)
@Index('jobs_open', ['kind', 'subject'], { unique: true, where: 'ended_at IS NULL' })
@Index('jobs_ended', ['endedAt'], { where: 'ended_at IS NOT NULL' })
@Index('jobs_by_owner', ['ownerId'])
export class JobEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'jobs_pkey' })
  id!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3, default: () => 'now()' })
  updatedAt!: Date;

  @Column({ type: 'timestamptz', name: 'ended_at', precision: 3, nullable: true })
  endedAt!: Date | null;

  @Column({ type: 'text', name: 'kind', collation: 'C' })
  kind!: 'score' | 'erasure';

  @Column({ type: 'text', name: 'status', collation: 'C', default: 'queued' })
  status!: 'queued' | 'running' | 'done' | 'failed';

  @Column({ type: 'text', name: 'owner_id', collation: 'C' })
  ownerId!: string;

  /** What it is about: one open job of each kind. Null once it has ended, so that the row of an erasure does not keep the user's id. */
  @Column({ type: 'text', name: 'subject', collation: 'C', nullable: true })
  subject!: string | null;

  @Column({ type: 'jsonb', name: 'result', nullable: true })
  result!: Record<string, unknown> | null;

  @Column({ type: 'text', name: 'error', nullable: true })
  error!: string | null;
}
