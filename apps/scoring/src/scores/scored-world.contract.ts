import type { AnalysisRequest } from '../analysis/llm-analysis.port.js';
import { newEvent, type ScoreCalculate } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { Emotion } from '#lib/contracts/scores';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryJobStore } from '#lib/jobs/adapters/memory-job-store';
import { DependencyError } from '#lib/resilience/call/errors';
import { MemoryConversationEndStore } from '#lib/scores/ends/adapters/memory-conversation-end-store';
import { endedEvent } from '#lib/scores/ends/end-facts';
import type { ConversationEndRecord, ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { MemoryFriendshipStore } from '#lib/scores/friendship/adapters/memory-friendship-store';
import type { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import type { Transcript } from '#lib/scores/transcript';
import { AnalyzeConversation } from '../analysis/analyze-conversation.js';
import { type EmotionAnalysis, LlmAnalysisPort, type QuestionAnalysis } from '../analysis/llm-analysis.port.js';
import { TranscriptPort } from '../transcripts/transcript.port.js';
import { AnswerScore } from './answer-score.js';
import { NoMemory } from '../memory/adapters/no-memory.js';
import { AssessConversation } from './assess-conversation.js';
import { RescoreConversations } from './rescore-conversations.js';
import { ScoreConversation } from './score-conversation.js';

/** A model that says what the test decides, or is out. */
export class DecidedAnalysis extends LlmAnalysisPort {
  readonly provenance = { provider: 'test', model: 'decided', promptVersion: 1 };
  userQuestions = 2;
  emotion: Emotion = 'happy';
  failure: DependencyError | undefined;
  calls = 0;
  /** Waited for by each call: lets a test hold an analysis. */
  held: Promise<void> = Promise.resolve();

  async analyzeUserQuestions(_request: AnalysisRequest): Promise<QuestionAnalysis> {
    await this.answer();
    return { userQuestions: this.userQuestions, topics: ['music'] };
  }

  async analyzeSessionEmotion(_request: AnalysisRequest): Promise<EmotionAnalysis> {
    await this.answer();
    return { emotion: this.emotion };
  }

  private async answer(): Promise<void> {
    this.calls += 1;
    await this.held;
    if (this.failure !== undefined) throw this.failure;
  }
}

/** Transcripts of as many turns as the test says; each edit gives another fingerprint. */
export class EditedTranscripts extends TranscriptPort {
  readonly edits = new Map<string, number>();
  readonly gone = new Set<string>();
  failure: DependencyError | undefined;

  async of({ id, conversationId, userId }: ConversationEndRecord): Promise<Transcript | undefined> {
    if (this.failure !== undefined) throw this.failure;
    if (this.gone.has(id)) return undefined;
    const edits = this.edits.get(id) ?? 0;
    const turns = [{ role: 'user' as const, content: `what is this? ${edits}` }];
    return { conversationId, userId, turns, turnCounts: { user: 4 + edits, bot: 4 }, fingerprint: `${id} ${edits}` };
  }

  edit(id: string): void {
    this.edits.set(id, (this.edits.get(id) ?? 0) + 1);
  }
}

/** The stores of one world. */
export interface ScoreStores {
  readonly ends: ConversationEndStorePort;
  readonly friendship: FriendshipStorePort;
}

/** Both in memory. */
export const memoryScoreStores = (): ScoreStores => {
  const ends = new MemoryConversationEndStore(new MemoryOutbox(), () => undefined);
  return { ends, friendship: new MemoryFriendshipStore((endId) => ends.has(endId)) };
};

/** The use cases of scoring over these stores. */
export const scoredWorld = ({ ends, friendship }: ScoreStores = memoryScoreStores()) => {
  const jobs = new MemoryJobStore(new MemoryOutbox());
  const [transcripts, model] = [new EditedTranscripts(), new DecidedAnalysis()];
  const assess = new AssessConversation(transcripts, new AnalyzeConversation(model), new NoMemory());
  const ended = async (userId = 'alice', conversationId = `robot-${newId()}`): Promise<ConversationEndRecord> => {
    const at = new Date('2026-01-31T09:30:00.000Z');
    const draft = { conversationId, userId, startTime: at, endTime: at, bodyHash: newId(), log: Buffer.from('x') };
    return (await ends.end(draft)).end;
  };
  /** A job for an end, as the gateway starts it. */
  const asked = async (end: ConversationEndRecord): Promise<ScoreCalculate> => {
    const { id: endId, conversationId, userId } = end;
    const event = newEvent('score.calculate', { endId, conversationId, userId, jobId: newId() });
    await jobs.enqueue({ id: event.data.jobId, kind: 'score', ownerId: userId, subject: endId }, event);
    return event;
  };
  return {
    ends,
    friendship,
    jobs,
    transcripts,
    model,
    ended,
    asked,
    endedEvent,
    scoring: new ScoreConversation(ends, assess, friendship, jobs),
    rescoring: new RescoreConversations(ends, assess, friendship),
    answering: new AnswerScore(ends, assess),
  };
};
