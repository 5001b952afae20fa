import type { ConversationId } from '#lib/contracts/ids';
import type { FoundPart } from '#lib/conversations/documents/document';
import type { Message } from '#lib/conversations/message';
import { type LexicalHit, LexicalIndexPort, type SearchFilter } from '../../search/lexical-index.port.js';
import { foldedWordsOf, foldWord, MIN_PREFIX_LENGTH, wordsOf } from '../../search/words.js';

/** Share of the query's trigrams that must match; about as tolerant as the adapter for Postgres. */
const SIMILARITY_THRESHOLD = 0.6;
const MIN_SIMILAR_LENGTH = 3;

/** Scans all messages: for the embedded mode and for tests, up to some ten thousand messages. */
export class MemoryLexicalIndex extends LexicalIndexPort {
  /** @param messages called for every search, as is `parts`. */
  constructor(
    private readonly messages: () => Iterable<Message>,
    private readonly parts: () => readonly FoundPart[] = () => [],
  ) {
    super();
  }

  override find(query: string, visible: readonly ConversationId[], k: number, filter: SearchFilter = {}): Promise<LexicalHit[]> {
    const words = wordsOf(query).map(foldWord);
    const allowed = new Set(visible);
    const readable = [...this.messages()].filter((message) => allowed.has(message.conversationId) && passes(message, filter));
    const byWords = rank(readable, (text) => shareOf(words, text));
    const hits = byWords.length > 0 ? byWords : rank(readable, (text) => likenessOf(words, text));
    return Promise.resolve(hits.slice(0, k));
  }

  override findParts(query: string, visible: readonly ConversationId[], k: number, filter: SearchFilter = {}): Promise<LexicalHit[]> {
    const words = wordsOf(query).map(foldWord);
    const allowed = new Set(visible);
    const parts = this.parts().map(({ ownerId, place, ...part }) => ({ ...part, senderId: ownerId, seq: place, version: 1 }));
    const readable = parts.filter((part) => allowed.has(part.conversationId) && passes(part, filter));
    return Promise.resolve(rank(readable, (text) => shareOf(words, text)).slice(0, k));
  }
}

const passes = (message: Message, { senderId, fromMs, toMs }: SearchFilter): boolean => {
  const at = message.createdAt.getTime();
  return (
    message.deletedAt === undefined &&
    (senderId === undefined || message.senderId === senderId) &&
    (fromMs === undefined || at >= fromMs) &&
    (toMs === undefined || at <= toMs)
  );
};

const rank = (messages: readonly Message[], scoreOf: (words: readonly string[]) => number): LexicalHit[] =>
  messages
    .map((message) => ({ message, score: scoreOf(foldedWordsOf(message.content)) }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score || other.message.createdAt.getTime() - one.message.createdAt.getTime())
    .map(({ message, score }) => ({ messageId: message.id, score }));

/** The share of the asked words that the text has; long words count more. */
const shareOf = (asked: readonly string[], text: readonly string[]): number => {
  const known = new Set(text);
  const weights = asked.map((word, index) => ({
    weight: Math.min(word.length, 8),
    isThere:
      known.has(word) || (index === asked.length - 1 && word.length >= MIN_PREFIX_LENGTH && text.some((other) => other.startsWith(word))),
  }));
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  return total === 0 ? 0 : weights.reduce((sum, { weight, isThere }) => sum + (isThere ? weight : 0), 0) / total;
};

/** How much of the trigrams of the asked words a text has, 0 below the threshold. */
const likenessOf = (asked: readonly string[], text: readonly string[]): number => {
  if (asked.join(' ').length < MIN_SIMILAR_LENGTH) return 0;
  const wanted = new Set(asked.flatMap(trigramsOf));
  const there = new Set(text.flatMap(trigramsOf));
  const share = wanted.size === 0 ? 0 : [...wanted].filter((trigram) => there.has(trigram)).length / wanted.size;
  return share >= SIMILARITY_THRESHOLD ? share : 0;
};

const trigramsOf = (word: string): string[] => {
  const padded = `  ${word} `;
  return Array.from({ length: padded.length - 2 }, (_, start) => padded.slice(start, start + 3));
};
