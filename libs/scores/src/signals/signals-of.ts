import type { Emotion } from '#lib/contracts/scores';
import { type EmotionWeights, emotionWeights, strongest } from './emotion.js';
import { type Language, languageOf } from './language.js';
import { questionsOf } from './questions.js';
import { sentencesOf } from './words.js';

/** What a text says about its author's part in a conversation. */
export interface Signals {
  readonly language: Language;
  /** 0 to 1,000. */
  readonly questions: number;
  readonly emotion: Emotion;
  /** How much of each emotion it shows: what a whole conversation shows is their sum. */
  readonly emotions: EmotionWeights;
  /** UTF-16 units. */
  readonly length: number;
}

/**
 * The signals of one text, by documented rules and lexicons of English and Vietnamese: no model, the same answer everywhere. Costs microseconds
 * for an ordinary message; linear in the length of any text.
 */
export const signalsOf = (text: string): Signals => {
  const sentences = sentencesOf(text);
  const language = languageOf(sentences);
  const emotions = emotionWeights(text, sentences, language);
  return { language, questions: questionsOf(sentences, language), emotion: strongest(emotions), emotions, length: text.length };
};

/** The emotion of several texts of one author: what they show most in all. */
export const emotionOf = (texts: Iterable<Signals>): Emotion => {
  const sum: Record<Emotion, number> = { happy: 0, interested: 0, neutral: 0, bored: 0, sad: 0, angry: 0 };
  for (const { emotions } of texts) for (const emotion of Object.keys(sum) as Emotion[]) sum[emotion] += emotions[emotion];
  return strongest(sum);
};
