import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What each user has used of its daily quota: one row per user, begun anew each day (UTC). */
@Entity('membership_usage')
export class MembershipUsageEntity {
  @Column({ type: 'date', name: 'day' })
  day!: string;

  /** Conversations started on that day. */
  @Column({ type: 'int', name: 'conversations' })
  conversations!: number;

  /** Members added on that day. */
  @Column({ type: 'int', name: 'additions' })
  additions!: number;

  @PrimaryColumn({ type: 'text', name: 'user_id', collation: 'C', primaryKeyConstraintName: 'membership_usage_pkey' })
  userId!: string;
}
