import { Topic } from '#lib/contracts/scores';
import { TimeSlices } from '#lib/runtime/work/time-slices';
import { Lexicon } from '#lib/scores/signals/lexicon';
import { languageOf } from '#lib/scores/signals/language';
import { emotionOf, type Signals, signalsOf } from '#lib/scores/signals/signals-of';
import { sentencesOf } from '#lib/scores/signals/words';
import type { Turn } from '#lib/scores/transcript';
import {
  type AnalysisRequest,
  type EmotionAnalysis,
  LlmAnalysisPort,
  type Provenance,
  type QuestionAnalysis,
} from '../llm-analysis.port.js';
import { MAX_QUESTIONS, MAX_TOPICS } from '../limits.js';
import { piecesOf } from './pieces.js';
import { TOPIC_WORDS } from './topic-words.js';

/** Rises when rules or lexicons change: a score tells which of them it was made with. */
const RULES_VERSION = 1;

const TOPICS = new Lexicon<Topic>(TOPIC_WORDS);

/**
 * Rules and lexicons of English and Vietnamese, the same as for single messages: it needs nothing, and says the same of the same transcript
 * everywhere. Long transcripts are read in slices, so that the event loop turns.
 */
export class LocalAnalysis extends LlmAnalysisPort {
  override readonly provenance: Provenance = { provider: 'local', model: 'rules-en-vi', promptVersion: RULES_VERSION };

  override async analyzeUserQuestions({ transcript: { turns }, signal }: AnalysisRequest): Promise<QuestionAnalysis> {
    let userQuestions = 0;
    const weights = new Map<Topic, number>();
    await inSlices(turns, signal, (piece, role) => {
      const sentences = sentencesOf(piece);
      const bare = languageOf(sentences) !== 'en';
      for (const { words } of sentences) {
        // What the user speaks of counts twice: it is the user's conversation.
        for (const { meaning } of TOPICS.in(words, { bare })) weights.set(meaning, (weights.get(meaning) ?? 0) + (role === 'user' ? 2 : 1));
      }
      if (role === 'user') userQuestions += signalsOf(piece).questions;
    });
    return { userQuestions: Math.min(MAX_QUESTIONS, userQuestions), topics: heaviest(weights) };
  }

  override async analyzeSessionEmotion({ transcript: { turns }, signal }: AnalysisRequest): Promise<EmotionAnalysis> {
    const signals: Signals[] = [];
    await inSlices(turns, signal, (piece, role) => {
      if (role === 'user') signals.push(signalsOf(piece));
    });
    return { emotion: emotionOf(signals) };
  }
}

async function inSlices(turns: readonly Turn[], signal: AbortSignal, read: (piece: string, role: Turn['role']) => void): Promise<void> {
  const slices = new TimeSlices();
  for (const { role, content } of turns) {
    for (const piece of piecesOf(content)) {
      read(piece, role);
      if (slices.isOver) await slices.next();
      signal.throwIfAborted();
    }
  }
}

/** In the order of their weights, equal ones in that of the list; none = `other`. */
const heaviest = (weights: ReadonlyMap<Topic, number>): Topic[] => {
  const found = Topic.options.filter((topic) => weights.has(topic));
  const sorted = found.toSorted((one, other) => (weights.get(other) ?? 0) - (weights.get(one) ?? 0));
  return sorted.length === 0 ? ['other'] : sorted.slice(0, MAX_TOPICS);
};
