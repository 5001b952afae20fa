import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cosine, embedderContract } from '../embedder.contract.js';
import { LocalEmbedder } from './local-embedder.js';

embedderContract('LocalEmbedder', async () => ({ embedder: new LocalEmbedder() }));

const embedder = new LocalEmbedder();
const similarity = async (one: string, other: string) => cosine(...((await embedder.embed([one, other])) as [Float32Array, Float32Array]));

describe('the local embedder', () => {
  it('gives the same vectors on every machine and in every release under one name', async () => {
    const texts = ['hello world', 'Tối nay mình đi uống cà phê nhé', '今天天气很好', '😀👍🏽', '', 'STRASSE naïve ﬁx 42'];
    const vectors = await embedder.embed(texts);
    // Rounded: the last bits of a square root may differ between processors. When this fails, the algorithm has changed: rename the model.
    const rounded = vectors.map((vector) => [...vector].map((value) => value.toFixed(4).replace('-0.0000', '0.0000')).join());
    expect(embedder.model).toBe('local-lexical-v1');
    expect(hash('sha256', rounded.join('\n'))).toBe('b0b7afee23a7bbae47982bfc95e26e81f4a42c19e9f51eda5098f56e2321dc4a');
  });

  it.each([
    ['without diacritics', 'cà phê', 'ca phe'],
    ['with one diacritic wrong', 'cà phê', 'cá phê'],
    ['in capitals', 'đường về nhà', 'ĐƯỜNG VỀ NHÀ'],
    ['decomposed', 'cà phê', 'cà phê'.normalize('NFD')],
    ['with đ written as d', 'đường đi', 'duong di'],
    ['with ß written as ss', 'Straße', 'STRASSE'],
    ['as a part of a sentence', 'are we still meeting on Friday?', 'meeting friday'],
    ['in a script without spaces', '今天天气很好我们去公园', '天气很好'],
  ])('finds a text %s', async (_, text, query) => {
    expect(await similarity(text, query)).toBeGreaterThan(0.4);
  });

  it('likes the exact spelling better than the bare one, and both better than a stranger', async () => {
    const text = 'Tối nay mình đi uống cà phê nhé';
    const [exact, bare, stranger] = [await similarity(text, 'cà phê'), await similarity(text, 'ca phe'), await similarity(text, 'bóng đá')];
    expect(exact).toBeGreaterThan(bare + 0.05);
    expect(bare).toBeGreaterThan(stranger + 0.2);
  });

  it('cares more for what is talked about than for the words in between', async () => {
    const query = 'what is the price of the ticket';
    expect(await similarity(query, 'ticket price')).toBeGreaterThan((await similarity(query, 'what is the name of the dog')) + 0.1);
  });

  it('forgives a typo', async () => {
    expect(await similarity('the restaurant reservation', 'restaurent reservatoin')).toBeGreaterThan(0.25);
  });

  it('does not know meaning, and does not claim to', async () => {
    expect(Math.abs(await similarity('car', 'automobile'))).toBeLessThan(0.25);
  });

  it('counts a word that is repeated, but not in proportion', async () => {
    expect(await similarity('spam '.repeat(100), 'spam')).toBeGreaterThan(0.6);
    expect(await similarity(`${'spam '.repeat(100)} dentist tomorrow`, 'dentist tomorrow')).toBeGreaterThan(0.1);
  });

  it('keeps texts apart that share nothing', async () => {
    let state = 1;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const text = () =>
      Array.from({ length: 8 }, () => Array.from({ length: 7 }, () => 'abcdefghijklmnopqrstuvwxyz'[random(26)]).join('')).join(' ');
    const similarities = await Promise.all(Array.from({ length: 500 }, () => similarity(text(), text())));
    const mean = similarities.reduce((sum, value) => sum + value, 0) / similarities.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.max(...similarities.map(Math.abs))).toBeLessThan(0.3);
  });

  it('lets others have their turn during a large batch', async () => {
    let turns = 0;
    const finished = new AbortController();
    const counting = (async () => {
      for (; !finished.signal.aborted; turns += 1) await nextTurn();
    })();
    await embedder.embed(Array.from({ length: 4_000 }, (_, i) => `${i} ${'some words of a long text '.repeat(40)}`));
    finished.abort();
    await counting;
    expect(turns).toBeGreaterThan(1);
  });

  it('embeds at least 5,000 short texts per second of one core', async () => {
    const texts = Array.from({ length: 10_000 }, (_, i) => `tin nhắn số ${i}: are we still on for ${i % 12} o'clock?`);
    await embedder.embed(texts.slice(0, 2_000));
    const startedAt = process.cpuUsage();
    await embedder.embed(texts);
    const { user, system } = process.cpuUsage(startedAt);
    // About 90,000 on the machine where it was written; CPU time, so that neighbours do not count.
    expect(texts.length / ((user + system) / 1_000_000)).toBeGreaterThan(5_000);
  });
});
