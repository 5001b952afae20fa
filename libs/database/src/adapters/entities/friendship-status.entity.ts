import { Check, Column, Entity, PrimaryColumn } from 'typeorm';
import type { TopicMetrics } from '#lib/contracts/scores';

/** How well a user is known. `score` is the sum of `score_changes` and of the topics. */
@Entity('friendship_statuses')
@Check('friendship_statuses_score_check', 'score >= 0')
export class FriendshipStatusEntity {
  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3, default: () => 'now()' })
  updatedAt!: Date;

  @Column({ type: 'int', name: 'score' })
  score!: number;

  /** A change must know the version that it changes. */
  @Column({ type: 'int', name: 'version' })
  version!: number;

  @PrimaryColumn({ type: 'text', name: 'user_id', collation: 'C', primaryKeyConstraintName: 'friendship_statuses_pkey' })
  userId!: string;

  @Column({ type: 'jsonb', name: 'topic_metrics' })
  topicMetrics!: TopicMetrics;

  /** Ends whose analysis failed. */
  @Column({ type: 'uuid', name: 'degraded_ends', array: true })
  degradedEnds!: string[];
}
