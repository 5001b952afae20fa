import { describe, expect, it } from 'vitest';
import { MAX_TRANSCRIPT_LENGTH } from '#lib/scores/transcript';
import { loopHoldDuring } from '#lib/testing/loop-hold';
import { llmAnalysisContract, requestOf } from '../llm-analysis.contract.js';
import { LocalAnalysis } from './local-analysis.js';

const analysis = new LocalAnalysis();

llmAnalysisContract('LocalAnalysis', async () => ({ analysis: new LocalAnalysis() }));

describe('the local analysis', () => {
  it('counts the questions of the user, in both languages and without question marks, and not those of others', async () => {
    const request = requestOf(['user', 'How are you?'], ['bot', 'Good. And you? Tired?'], ['user', 'tại sao trời mưa'], ['user', 'I see.']);
    expect((await analysis.analyzeUserQuestions(request)).userQuestions).toBe(2);
  });

  it.each([
    ['happy', 'I am so happy today, thank you!'],
    ['sad', 'hôm nay mình buồn quá, mình khóc cả ngày'],
    ['angry', 'This is ridiculous, I hate it'],
    ['neutral', 'The train leaves at nine.'],
  ])('finds the mood %s', async (emotion, text) => {
    expect(await analysis.analyzeSessionEmotion(requestOf(['user', text], ['bot', 'wonderful, great, happy']))).toEqual({ emotion });
  });

  it('names the topics, the main one first, at most three', async () => {
    const request = requestOf(
      ['user', 'My dog and my cat love the beach. The dog was with us on every trip, in each hotel.'],
      ['bot', 'And your mother? Does she like animals? What about music and football?'],
      ['user', 'con mèo của mình thích ăn tối ở nhà hàng'],
    );
    expect((await analysis.analyzeUserQuestions(request)).topics).toEqual(['animals', 'travel', 'food']);
  });

  it('has a topic for what is about none', async () => {
    expect(await analysis.analyzeUserQuestions(requestOf(['user', 'mm']))).toEqual({ userQuestions: 0, topics: ['other'] });
  });

  it('says the same of the same transcript', async () => {
    const request = requestOf(['user', 'Do you like my new phone? I feel great'], ['bot', 'Yes']);
    expect(await analysis.analyzeUserQuestions(request)).toEqual(await analysis.analyzeUserQuestions(request));
  });

  it('ends when its caller does', async () => {
    const request = { ...requestOf(['user', 'why? '.repeat(4_000)]), signal: AbortSignal.abort(new Error('gone')) };
    await expect(analysis.analyzeUserQuestions(request)).rejects.toThrow('gone');
  });

  // Half of the longest transcript twice, as one turn and as many.
  it.each([
    ['combining marks', 'a' + '\u0301'.repeat(60)],
    ['one word without an end', 'x'],
    ['questions', '? '],
    ['lone surrogates', '\ud800'],
    ['emoji of many parts', '👨‍👩‍👧‍👦'],
    ['Vietnamese in parts', 'tại sao thế '.normalize('NFD')],
    ['the widest ligature', '\ufdfa'],
    ['almost phrases', 'không không không '],
    ['addresses', 'http://'],
    ['right-to-left marks', '\u202e؟'],
    ['digits of all scripts', '٣३๓'],
  ])('reads the longest transcript of %s without holding the event loop', async (_, piece) => {
    const long = piece.repeat(Math.ceil(MAX_TRANSCRIPT_LENGTH / 2 / piece.length)).slice(0, MAX_TRANSCRIPT_LENGTH / 2);
    const many = Array.from({ length: 500 }, (_, i) => ['user', long.slice(i * 24, i * 24 + 24)] as const);
    const request = requestOf(['user', long], ...many);
    await analysis.analyzeUserQuestions(request); // compiled once
    const work = () => Promise.all([analysis.analyzeUserQuestions(request), analysis.analyzeSessionEmotion(request)]);
    let hold = await loopHoldDuring(work);
    // Once more: the collector of garbage holds the loop, too, in a process with the heap of many files of tests.
    if (hold.p99Ms >= 100) hold = await loopHoldDuring(work);
    expect(hold.p99Ms).toBeLessThan(100); // law 9
  });
});
