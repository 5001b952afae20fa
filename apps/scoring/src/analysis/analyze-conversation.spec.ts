import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Postpone } from '#lib/bus/outcome';
import { DependencyError } from '#lib/resilience/call/errors';
import { AnalyzeConversation, type ConversationToAnalyze, RUN_WITHIN_MS } from './analyze-conversation.js';
import { CallerOverShare } from './caller-over-share.js';
import { requestOf } from './llm-analysis.contract.js';
import { type AnalysisRequest, type EmotionAnalysis, LlmAnalysisPort, type QuestionAnalysis } from './llm-analysis.port.js';

/** Answers what it is told to. */
class ScriptedAnalysis extends LlmAnalysisPort {
  readonly provenance = { provider: 'scripted', model: 'm', promptVersion: 7 };
  readonly running: string[] = [];
  mostAtOnce = 0;
  questions: (request: AnalysisRequest) => Promise<QuestionAnalysis> = async () => ({ userQuestions: 3, topics: ['music'] });
  emotion: (request: AnalysisRequest) => Promise<EmotionAnalysis> = async () => ({ emotion: 'happy' });

  override analyzeUserQuestions(request: AnalysisRequest): Promise<QuestionAnalysis> {
    return this.noted('questions', () => this.questions(request));
  }

  override analyzeSessionEmotion(request: AnalysisRequest): Promise<EmotionAnalysis> {
    return this.noted('emotion', () => this.emotion(request));
  }

  private async noted<T>(part: string, work: () => Promise<T>): Promise<T> {
    this.running.push(part);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running.length);
    await Promise.resolve();
    try {
      return await work();
    } finally {
      this.running.pop();
    }
  }
}

let model: ScriptedAnalysis;
let analyze: AnalyzeConversation;
beforeEach(() => {
  model = new ScriptedAnalysis();
  analyze = new AnalyzeConversation(model);
});

const { transcript } = requestOf(['user', 'Do you like jazz?'], ['bot', 'Yes']);
const asked = (facts: Partial<ConversationToAnalyze> = {}): ConversationToAnalyze => ({
  transcript,
  lane: 'interactive',
  signal: new AbortController().signal,
  ...facts,
});
const outage = new DependencyError('llm', 'chat', 'open');
const poorAnswer = new DependencyError('llm', 'chat', 'unavailable', { isAttributable: true });
const failing = (error: Error) => async () => {
  throw error;
};

describe('the analysis of a conversation', () => {
  it('has both parts, made at the same time, and names the model', async () => {
    expect(await analyze.execute(asked())).toEqual({
      userQuestions: 3,
      topics: ['music'],
      emotion: 'happy',
      degraded: false,
      fallenBack: [],
      reasons: [],
      provenance: { provider: 'scripted', model: 'm', promptVersion: 7 },
    });
    expect(model.mostAtOnce).toBe(2);
  });

  it('asks no model about a conversation in which the user said nothing', async () => {
    const silent = requestOf(['bot', 'Hello?'], ['user', ' ']).transcript;
    model.questions = failing(new Error('asked'));
    expect(await analyze.execute(asked({ transcript: silent }))).toMatchObject({
      userQuestions: 0,
      emotion: 'neutral',
      topics: [],
      degraded: false,
    });
  });

  it('takes the fallback of a part that fails, keeps the other, and says why', async () => {
    model.emotion = failing(outage);
    expect(await analyze.execute(asked())).toMatchObject({
      userQuestions: 3,
      emotion: 'neutral',
      degraded: true,
      fallenBack: ['emotion'],
      reasons: ['mood taken as neutral: the language model is out'],
    });
    model.questions = failing(new DependencyError('llm', 'chat', 'timeout', { cause: new Error('10.0.0.7 sk-secret') }));
    const both = await analyze.execute(asked());
    expect(both).toMatchObject({ userQuestions: 0, topics: [], fallenBack: ['questions', 'emotion'] });
    expect(both.reasons.join()).not.toMatch(/10\.0|sk-/);
  });

  it.each([
    ['an outage', outage],
    ['a budget that is used up', new DependencyError('llm', 'budget', 'overloaded', { retryAfterMs: 9_000 })],
  ])('in the background leaves %s to its queue, which waits without an attempt', async (_, error) => {
    model.questions = failing(error);
    await expect(analyze.execute(asked({ lane: 'background' }))).rejects.toBe(error);
  });

  it('in the background postpones what is over the share of its user, so that the queue goes on', async () => {
    model.questions = failing(outage);
    model.emotion = failing(new CallerOverShare(12_000));
    const error: unknown = await analyze.execute(asked({ lane: 'background' })).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Postpone);
    expect(error).toMatchObject({ delayMs: 12_000 });
  });

  it('in the background answers with the fallback what the model can make nothing of: it would block its queue', async () => {
    model.questions = failing(poorAnswer);
    expect(await analyze.execute(asked({ lane: 'background' }))).toMatchObject({ degraded: true, fallenBack: ['questions'] });
  });

  it('hides no mistake of ours behind a fallback', async () => {
    model.questions = failing(new TypeError('a bug'));
    await expect(analyze.execute(asked())).rejects.toThrow('a bug');
  });

  it('ends with its caller, and then has no answer', async () => {
    const caller = new AbortController();
    model.questions = ({ signal }) => {
      const ended = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(outage)));
      caller.abort(new Error('gone'));
      return ended;
    };
    await expect(analyze.execute(asked({ signal: caller.signal }))).rejects.toThrow('gone');
  });
});

describe('an analysis that does not end', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('has its fallback after 180 s, and what it waited for is told to end', async () => {
    let ended = false;
    model.questions = ({ signal }) => {
      signal.addEventListener('abort', () => (ended = true));
      return new Promise(() => undefined);
    };
    const running = analyze.execute(asked());
    await vi.advanceTimersByTimeAsync(RUN_WITHIN_MS);
    expect(await running).toMatchObject({ degraded: true, fallenBack: ['questions'], emotion: 'happy' });
    expect(ended).toBe(true);
  });
});
