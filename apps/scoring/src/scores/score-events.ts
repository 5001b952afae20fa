import { newEvent, type ScoreRecalculate, type ScoreUpdated } from '#lib/contracts/events';
import { derivedId } from '#lib/contracts/ids';
import type { ConversationEndRecord } from '#lib/scores/ends/conversation-end-store.port';
import type { AppliedChange, FriendshipStatus } from '#lib/scores/friendship/friendship';
import { levelOf } from '#lib/scores/friendship/level';

// The ids are made of what the events say, so that a redelivery tells the same events again.

/** A change is committed. */
export const updatedBy = (change: AppliedChange): ScoreUpdated => {
  const { endId, conversationId, userId, scoreChange, scoreAfter: score, isDegradedAfter: degraded, statusVersion, appliedAt } = change;
  return scoreUpdated({ endId, conversationId, userId, scoreChange, score, degraded, version: statusVersion }, appliedAt);
};

/** The analysis of an end failed: the score of its user is as before. */
export const leftDegraded = (end: ConversationEndRecord, status: FriendshipStatus): ScoreUpdated => {
  const { id: endId, conversationId, userId, createdAt } = end;
  const { score, degradedEnds, version, updatedAt = createdAt } = status;
  return scoreUpdated({ endId, conversationId, userId, scoreChange: 0, score, degraded: degradedEnds.length > 0, version }, updatedAt);
};

const scoreUpdated = (facts: Omit<ScoreUpdated['data'], 'level' | 'updatedAt'>, at: Date): ScoreUpdated =>
  newEvent(
    'score.updated',
    { ...facts, level: levelOf(facts.score), updatedAt: at.toISOString() },
    { eventId: derivedId('score.updated', facts.endId, String(facts.version)), occurredAt: at },
  );

/** Scores an end again when there is time. @param round tells apart what is wanted anew from what is told again. */
export const recalculationOf = (
  { id: endId, conversationId, userId }: ConversationEndRecord,
  reason: ScoreRecalculate['data']['reason'],
  round: string,
): ScoreRecalculate =>
  newEvent(
    'score.recalculate',
    { conversationId, userId, endId, reason },
    { eventId: derivedId('score.recalculate', endId, reason, round) },
  );
