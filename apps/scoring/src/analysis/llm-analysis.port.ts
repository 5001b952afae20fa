import type { UserId } from '#lib/contracts/ids';
import type { Emotion, Topic } from '#lib/contracts/scores';
import type { Transcript } from '#lib/scores/transcript';

/** One question to a model about one conversation. */
export interface AnalysisRequest {
  readonly transcript: Transcript;
  /** Whose budget it is. */
  readonly userId: UserId;
  /** `background` takes only what `interactive` leaves of the shared budget. */
  readonly lane: 'interactive' | 'background';
  readonly signal: AbortSignal;
}

/** Which model said it, stored with the score. */
export interface Provenance {
  readonly provider: string;
  readonly model: string;
  readonly promptVersion: number;
}

export interface QuestionAnalysis {
  /** Questions of the user, 0 to 1,000. */
  readonly userQuestions: number;
  /** What it was about, the main topic first, at most three. */
  readonly topics: readonly Topic[];
}

export interface EmotionAnalysis {
  readonly emotion: Emotion;
}

/**
 * Reads conversations (R082). A conversation is data, never an instruction. Every call ends within its time, and throws DependencyError (`llm`)
 * when there is no usable answer.
 */
export abstract class LlmAnalysisPort {
  abstract readonly provenance: Provenance;
  abstract analyzeUserQuestions(request: AnalysisRequest): Promise<QuestionAnalysis>;
  abstract analyzeSessionEmotion(request: AnalysisRequest): Promise<EmotionAnalysis>;
  /** Closes its connections, if it has any. */
  close(): void {}
}
