import type { FriendshipStatusView, ScoreChangeView } from '#lib/contracts/scores';
import type { AppliedChange, FriendshipStatus } from '#lib/scores/friendship/friendship';
import { levelOf } from '#lib/scores/friendship/level';

/** A status as clients see it. */
export const statusView = ({ userId, score, topicMetrics, version, updatedAt, degradedEnds }: FriendshipStatus): FriendshipStatusView => ({
  userId,
  score,
  level: levelOf(score),
  topicMetrics,
  version,
  updatedAt: updatedAt?.toISOString() ?? null,
  degraded: degradedEnds.length > 0,
});

/** A line of the history as clients see it. */
export const changeView = (change: AppliedChange): ScoreChangeView => {
  const { conversationId, endId, revision, scoringVersion, scoreChange, scoreAfter, statusVersion, topicChanges, analysis } = change;
  return {
    conversationId,
    endId,
    revision,
    scoringVersion,
    scoreChange,
    score: scoreAfter,
    level: levelOf(scoreAfter),
    version: statusVersion,
    topics: topicChanges,
    userQuestions: analysis.userQuestions,
    emotion: analysis.emotion,
    reasons: [...change.reasons],
    analysedBy: change.provenance,
    endedAt: change.endedAt.toISOString(),
    updatedAt: change.appliedAt.toISOString(),
  };
};
