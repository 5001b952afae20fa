import { Injectable } from '@nestjs/common';
import { Postpone } from '#lib/bus/outcome';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import type { ConversationEndRecord } from '#lib/scores/ends/conversation-end-store.port';
import type { EndScore } from '#lib/scores/friendship/friendship';
import { scoreChangeOf, SCORING_VERSION } from '#lib/scores/friendship/score-change';
import type { Transcript } from '#lib/scores/transcript';
import { AnalyzeConversation } from '../analysis/analyze-conversation.js';
import { inScoringStep, setOutcome } from '../analysis/scoring-step.js';
import { MemoryPort } from '../memory/memory.port.js';
import { TranscriptPort } from '../transcripts/transcript.port.js';

/** While the object store is away: its breaker tries again after 10 s. */
const AWAY_MS = 10_000;

/** What an end of a conversation is worth. A degraded one must change no score: a part of it is a fallback. */
export interface Assessment {
  readonly score: EndScore;
  readonly degraded: boolean;
}

/** Reads an ended conversation and says what it is worth. Stores nothing. */
@Injectable()
export class AssessConversation {
  constructor(
    private readonly transcripts: TranscriptPort,
    private readonly analyze: AnalyzeConversation,
    private readonly memory: MemoryPort,
  ) {}

  /** Undefined when its words are gone: erased, or in no store. @throws DependencyError. */
  transcriptOf(end: ConversationEndRecord): Promise<Transcript | undefined> {
    return this.transcripts.of(end);
  }

  /**
   * The same for a queue. @throws Postpone while the object store is out: ends whose words are in Postgres are still scored, so the queue does not
   * pause with it, and those whose log is stored wait without an attempt.
   */
  async transcriptOrLater(end: ConversationEndRecord): Promise<Transcript | undefined> {
    try {
      return await this.transcriptOf(end);
    } catch (error) {
      if (error instanceof DependencyError && error.dependency === 'objectStore') throw new Postpone(AWAY_MS, error.message);
      throw error;
    }
  }

  /**
   * @param memoriesBefore what earlier revisions of this score learnt: the memory API knows that and does not count it again. Without it the API
   * is not asked, since it would remember what is only looked at. @throws what AnalyzeConversation.execute throws: in the lane `background` also
   * that it should be tried again later.
   */
  async execute(
    end: ConversationEndRecord,
    transcript: Transcript,
    lane: 'interactive' | 'background',
    memoriesBefore?: number,
  ): Promise<Assessment> {
    return inScoringStep('assess conversation', transcript, async (span) => {
      const assessment = await this.assess(end, transcript, lane, memoriesBefore);
      const { worth, analysis } = assessment.score;
      span?.set('app.degraded', assessment.degraded).set('app.user_turns', analysis.userTurns);
      setOutcome(span, { worth, ...analysis });
      return assessment;
    });
  }

  private async assess(
    end: ConversationEndRecord,
    transcript: Transcript,
    lane: 'interactive' | 'background',
    memoriesBefore: number | undefined,
  ): Promise<Assessment> {
    const signal = currentDeadline()?.signal ?? new AbortController().signal;
    const found = await this.analyze.execute({ transcript, lane, signal });
    const { userQuestions, emotion, topics, degraded, provenance } = found;
    // Asked last: what it has learnt for an analysis that fails would never count.
    const asksMemory = memoriesBefore !== undefined && !degraded;
    const memories = asksMemory ? memoriesBefore + (await this.newMemories(transcript, signal)) : 0;
    const analysis = { userTurns: transcript.turnCounts.user, userQuestions, emotion, memories };
    const { change, reasons } = scoreChangeOf(analysis);
    const { id: endId, conversationId, userId, endTime: endedAt } = end;
    const { fingerprint } = transcript;
    const parts = { scoringVersion: SCORING_VERSION, analysis, provenance, fingerprint, topics, worth: degraded ? 0 : change };
    return { score: { endId, conversationId, userId, endedAt, ...parts, reasons: degraded ? found.reasons : reasons }, degraded };
  }

  private newMemories(transcript: Transcript, signal: AbortSignal): Promise<number> {
    return inScoringStep('add memories', transcript, async (span) => {
      const memories = await this.memory.newMemories(transcript, transcript.userId, signal);
      setOutcome(span, { memories });
      return memories;
    });
  }
}
