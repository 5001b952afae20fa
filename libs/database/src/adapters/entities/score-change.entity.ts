import { Column, Entity, ForeignKey, PrimaryColumn, Unique } from 'typeorm';
import type { Emotion, Topic } from '#lib/contracts/scores';
import { ConversationEndEntity } from './conversation-end.entity.js';

/** What each end of a conversation changed: the history of scores. Rows are added, and go with their user. */
@Entity('score_changes')
@Unique('score_changes_of_user', ['userId', 'statusVersion'])
export class ScoreChangeEntity {
  @Column({ type: 'timestamptz', name: 'applied_at', precision: 3, default: () => 'now()' })
  appliedAt!: Date;

  @Column({ type: 'timestamptz', name: 'ended_at', precision: 3 })
  endedAt!: Date;

  @PrimaryColumn({ type: 'uuid', name: 'end_id', primaryKeyConstraintName: 'score_changes_pkey' })
  @ForeignKey(() => ConversationEndEntity, { name: 'score_changes_end_id_fkey', onDelete: 'CASCADE' })
  endId!: string;

  @PrimaryColumn({ type: 'int', name: 'scoring_version', primaryKeyConstraintName: 'score_changes_pkey' })
  scoringVersion!: number;

  @PrimaryColumn({ type: 'int', name: 'revision', primaryKeyConstraintName: 'score_changes_pkey' })
  revision!: number;

  /** The version of the status that it made. */
  @Column({ type: 'int', name: 'status_version' })
  statusVersion!: number;

  /** What the conversation is worth, before the score stops at 0 and without what the end changed before. */
  @Column({ type: 'int', name: 'worth' })
  worth!: number;

  @Column({ type: 'int', name: 'score_change' })
  scoreChange!: number;

  @Column({ type: 'int', name: 'score_after' })
  scoreAfter!: number;

  @Column({ type: 'boolean', name: 'is_degraded_after' })
  isDegradedAfter!: boolean;

  @Column({ type: 'text', name: 'user_id', collation: 'C' })
  userId!: string;

  @Column({ type: 'text', name: 'conversation_id', collation: 'C' })
  conversationId!: string;

  /** Of the transcript that was analysed. */
  @Column({ type: 'text', name: 'fingerprint', collation: 'C' })
  fingerprint!: string;

  @Column({ type: 'jsonb', name: 'topics' })
  topics!: Topic[];

  @Column({ type: 'jsonb', name: 'topic_changes' })
  topicChanges!: Partial<Record<Topic, number>>;

  @Column({ type: 'jsonb', name: 'analysis' })
  analysis!: { userTurns: number; userQuestions: number; emotion: Emotion; memories: number };

  /** Which model said it. */
  @Column({ type: 'jsonb', name: 'provenance' })
  provenance!: { provider: string; model: string; promptVersion: number };

  @Column({ type: 'jsonb', name: 'reasons' })
  reasons!: string[];
}
