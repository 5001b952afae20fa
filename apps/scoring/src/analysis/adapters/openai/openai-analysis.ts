import { z } from 'zod';
import { Emotion, Topic } from '#lib/contracts/scores';
import { UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import type { Breakers } from '#lib/resilience/call/breakers';
import { DependencyError } from '#lib/resilience/call/errors';
import { TimeSlices } from '#lib/runtime/work/time-slices';
import { sentencesOf } from '#lib/scores/signals/words';
import type { Transcript } from '#lib/scores/transcript';
import {
  type AnalysisRequest,
  type EmotionAnalysis,
  LlmAnalysisPort,
  type Provenance,
  type QuestionAnalysis,
} from '../../llm-analysis.port.js';
import type { LlmBudget } from '../../llm-budget.js';
import { MAX_QUESTIONS, MAX_TOPICS } from '../../limits.js';
import { piecesOf } from '../pieces.js';
import { ChatApi, type ChatOptions } from './chat-api.js';
import { emotionPrompt, type Prompt, PROMPT_VERSION, questionsPrompt, recordOf, repairOf } from './prompts.js';

const word = z.string().trim().toLowerCase();
const Questions = z.object({ userQuestions: z.number().finite(), topics: z.array(word).max(100) });
const Mood = z.object({ emotion: word.pipe(Emotion) });

/** A model behind any endpoint that speaks OpenAI's chat completions. What it answers is believed within what is possible, no further. */
export class OpenAiAnalysis extends LlmAnalysisPort {
  override readonly provenance: Provenance;
  private readonly api: ChatApi;

  constructor(options: ChatOptions, budget: LlmBudget, breakers: Breakers) {
    super();
    this.provenance = { provider: 'openai', model: options.model, promptVersion: PROMPT_VERSION };
    this.api = new ChatApi(options, budget, breakers);
  }

  override async analyzeUserQuestions(request: AnalysisRequest): Promise<QuestionAnalysis> {
    const { userQuestions, topics } = await this.answerTo(questionsPrompt, Questions, request);
    const known = new Set(topics.flatMap((topic) => Topic.safeParse(topic).data ?? []));
    return {
      userQuestions: Math.min(Math.max(0, Math.round(userQuestions)), await mostQuestionsIn(request.transcript)),
      topics: known.size === 0 ? ['other'] : [...known].slice(0, MAX_TOPICS),
    };
  }

  override async analyzeSessionEmotion(request: AnalysisRequest): Promise<EmotionAnalysis> {
    return this.answerTo(emotionPrompt, Mood, request);
  }

  override close(): void {
    this.api.close();
  }

  /** Asks, and once more when the answer is not what was asked for. @throws DependencyError. */
  private async answerTo<T>({ system, schema }: Prompt, Answer: z.ZodType<T>, request: AnalysisRequest): Promise<T> {
    const user = recordOf(request.transcript);
    const first = read(await this.api.ask({ system, user, schema }, request), Answer);
    if (first.success) return first.data;
    const second = read(await this.api.ask({ system, user: repairOf(user, first.problem), schema }, request), Answer);
    if (second.success) return second.data;
    // The endpoint works, and its model makes nothing of this conversation: no reason to stop asking it about others.
    const cause = new UnusableAnswer(schema.name, second.problem);
    throw new DependencyError('llm', schema.name, 'unavailable', { cause, isAttributable: true });
  }
}

type Read<T> = { readonly success: true; readonly data: T } | { readonly success: false; readonly problem: string };

/** The problem is told to the model and stands in errors: it quotes nothing of the answer. */
const read = <T>(text: string, Answer: z.ZodType<T>): Read<T> => {
  const json = jsonIn(text);
  if (json === undefined) return { success: false, problem: 'it held no JSON object' };
  const parsed = Answer.safeParse(json);
  if (parsed.success) return { success: true, data: parsed.data };
  const fields = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'the answer'}: ${code}`);
  return { success: false, problem: fields.slice(0, 5).join(', ') };
};

const END_OF_THOUGHT = '</think>';

/** The object in an answer. Models without a JSON mode put it between words, backticks or after their reasoning. */
const jsonIn = (text: string): unknown => {
  const thought = text.lastIndexOf(END_OF_THOUGHT);
  const answer = thought === -1 ? text : text.slice(thought + END_OF_THOUGHT.length);
  const start = answer.indexOf('{');
  const end = answer.lastIndexOf('}');
  if (start === -1 || end < start) return undefined;
  try {
    return JSON.parse(answer.slice(start, end + 1));
  } catch {
    return undefined;
  }
};

/** No one asks more questions than they say sentences: a number that a text has talked the model into ends here. */
const mostQuestionsIn = async ({ turns }: Transcript): Promise<number> => {
  const slices = new TimeSlices();
  let sentences = 0;
  for (const { role, content } of turns) {
    if (role !== 'user') continue;
    for (const piece of piecesOf(content)) {
      sentences += sentencesOf(piece).length;
      if (slices.isOver) await slices.next();
    }
  }
  return Math.min(MAX_QUESTIONS, sentences);
};
