import { Injectable } from '@nestjs/common';
import { Postpone } from '#lib/bus/outcome';
import type { Emotion, Topic } from '#lib/contracts/scores';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Transcript } from '#lib/scores/transcript';
import { inScoringStep, setOutcome } from './scoring-step.js';
import { CallerOverShare } from './caller-over-share.js';
import {
  type AnalysisRequest,
  type EmotionAnalysis,
  LlmAnalysisPort,
  type Provenance,
  type QuestionAnalysis,
} from './llm-analysis.port.js';

/** What is analysed, and for whom: see {@link AnalyzeConversation.execute}. */
export interface ConversationToAnalyze {
  readonly transcript: Transcript;
  readonly lane: AnalysisRequest['lane'];
  /** Ends the run: of a handler or a request that has no use for the answer any more. */
  readonly signal: AbortSignal;
}

/** The two parts of an analysis, which run side by side (R082). */
export type AnalysisPart = 'questions' | 'emotion';

/** What a conversation was like. */
export interface Analysis {
  /** Questions of the user, 0 to 1,000. */
  readonly userQuestions: number;
  readonly emotion: Emotion;
  /** The main topic first, at most three. */
  readonly topics: readonly Topic[];
  /** A part has its fallback (R087, ruling C12): such an analysis must change no score. */
  readonly degraded: boolean;
  readonly fallenBack: readonly AnalysisPart[];
  /** Why, in words that may be shown: no address, no text, no key. Empty when nothing fell back. */
  readonly reasons: readonly string[];
  readonly provenance: Provenance;
}

/** Limit of one whole run, in milliseconds (R065). The two parts run side by side, each call within 55 s. */
export const RUN_WITHIN_MS = 180_000;

const NO_QUESTIONS: QuestionAnalysis = { userQuestions: 0, topics: [] };
const NO_EMOTION: EmotionAnalysis = { emotion: 'neutral' };

type PartFailure = DependencyError | DeadlineExceeded;

/** How one part ended. */
interface PartOutcome<T> {
  readonly value: T;
  /** Why `value` is the fallback. */
  readonly failure: PartFailure | undefined;
}

/** Counts the questions of a user and finds the mood and the topics of a conversation, with a language model or with rules. */
@Injectable()
export class AnalyzeConversation {
  constructor(private readonly model: LlmAnalysisPort) {}

  /**
   * Settles within 180 s. `interactive` always answers: a part that fails has its fallback at once. `background` has no caller who waits, so that
   * it throws when trying again later may help, and its queue waits; a conversation that the model cannot make sense of has the fallback there too.
   * @throws DependencyError (`llm`, only `background`), Postpone (only `background`: the user is over its share), the reason of `signal`.
   */
  async execute(conversation: ConversationToAnalyze): Promise<Analysis> {
    const { provenance } = this.model;
    const { transcript, lane } = conversation;
    if (!transcript.turns.some(({ role, content }) => role === 'user' && content.trim() !== '')) {
      return { ...NO_QUESTIONS, ...NO_EMOTION, degraded: false, fallenBack: [], reasons: [], provenance };
    }
    const [questions, emotion] = await Promise.all([
      this.analyze('questions', NO_QUESTIONS, conversation, (request) => this.model.analyzeUserQuestions(request)),
      this.analyze('emotion', NO_EMOTION, conversation, (request) => this.model.analyzeSessionEmotion(request)),
    ]);
    const failed = [...failureIn('questions', questions), ...failureIn('emotion', emotion)];
    if (lane === 'background') throwWhatPasses(failed.map(({ failure }) => failure));
    return {
      ...questions.value,
      ...emotion.value,
      degraded: failed.length > 0,
      fallenBack: failed.map(({ part }) => part),
      reasons: failed.map(({ part, failure }) => reasonOf(part, failure)),
      provenance,
    };
  }

  /** One part within the time of a run, or its fallback. */
  private analyze<T>(
    part: AnalysisPart,
    fallback: T,
    { transcript, lane, signal }: ConversationToAnalyze,
    ask: (request: AnalysisRequest) => Promise<T>,
  ): Promise<PartOutcome<T>> {
    const { provider, model } = this.model.provenance;
    return inScoringStep(`analyze ${part}`, transcript, async (span) => {
      span?.set('gen_ai.provider.name', provider).set('gen_ai.request.model', model);
      try {
        const value = await withDeadline(RUN_WITHIN_MS, (deadline) =>
          ask({ transcript, userId: transcript.userId, lane, signal: AbortSignal.any([signal, deadline.signal]) }),
        );
        setOutcome(span, value);
        return { value, failure: undefined };
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof DependencyError || error instanceof DeadlineExceeded)) throw error;
        metrics.fallback.inc({ dependency: 'llm', operation: part });
        span?.set('app.fallback', true).fail(error);
        return { value: fallback, failure: error };
      }
    });
  }
}

const failureIn = (part: AnalysisPart, { failure }: PartOutcome<unknown>): readonly { part: AnalysisPart; failure: PartFailure }[] =>
  failure === undefined ? [] : [{ part, failure }];

/** Throws what may be over later: an outage, a budget that is used up. What one conversation causes does not pass by waiting. */
const throwWhatPasses = (failures: readonly PartFailure[]): void => {
  const passing = failures.filter((failure) => !(failure instanceof DependencyError && failure.isAttributable));
  const share = passing.find((failure) => failure instanceof CallerOverShare);
  // Not an outage of the model: only the events of this user wait.
  if (share !== undefined) throw new Postpone(share.retryAfterMs, 'the user has had its share of the LLM budget of this minute');
  const [first] = passing;
  if (first !== undefined) throw first;
};

const FALLBACKS: Readonly<Record<AnalysisPart, string>> = { questions: 'no questions counted', emotion: 'mood taken as neutral' };

const reasonOf = (part: AnalysisPart, failure: PartFailure): string => `${FALLBACKS[part]}: ${causeOf(failure)}`;

const causeOf = (failure: PartFailure): string => {
  if (failure instanceof DeadlineExceeded) return 'the analysis took too long';
  if (failure instanceof CallerOverShare) return "the user's share of the LLM budget is used up";
  switch (failure.kind) {
    case 'timeout':
      return 'the language model did not answer in time';
    case 'open':
      return 'the language model is out';
    case 'overloaded':
      return 'the LLM budget is used up';
    case 'unavailable':
      return failure.isAttributable ? 'the language model gave no usable answer' : 'the language model failed';
    default:
      return failure.kind satisfies never;
  }
};
