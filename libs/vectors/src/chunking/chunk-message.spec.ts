import { describe, expect, it } from 'vitest';
import { aMessageCreated } from '#lib/testing/builders';
import { hostileTexts } from '#lib/testing/hostile-texts';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { loopHoldDuring } from '#lib/testing/loop-hold';
import { LocalEmbedder } from '../embedder/adapters/local-embedder.js';
import type { Chunk } from './chunk.js';
import { chunkMessage, chunkMessages, splitText } from './chunk-message.js';

const isWhole = (piece: string, text: string): boolean => {
  const boundaries = new Set([...new Intl.Segmenter('und').segment(text)].map(({ index }) => index).concat(text.length));
  return boundaries.has(text.indexOf(piece)) && boundaries.has(text.indexOf(piece) + piece.length);
};

describe('the chunks of a message', () => {
  it('are one for a short text, with the facts of the message', () => {
    const { data } = aMessageCreated({ content: 'Xin chào', seq: 7, version: 3, createdAt: '2026-11-20T10:00:00.500Z' });
    expect(chunkMessage(data)).toEqual([
      {
        id: `${data.messageId}#chunk_0`,
        messageId: data.messageId,
        conversationId: data.conversationId,
        senderId: 'alice',
        seq: 7,
        version: 3,
        createdAtMs: Date.parse('2026-11-20T10:00:00.500Z'),
        text: 'Xin chào',
      },
    ]);
  });

  it('are numbered from 0', () => {
    const { data } = aMessageCreated({ content: 'All work and no play makes Jack a dull boy. '.repeat(60) });
    const chunks = chunkMessage(data);
    expect(chunks.length).toBeGreaterThan(2);
    expect(chunks.map(({ id }) => id)).toEqual(chunks.map((_, i) => `${data.messageId}#chunk_${i}`));
  });

  it('are the same each time', () => {
    const { data } = aMessageCreated({ content: 'Một câu dài. Một câu nữa! '.repeat(200) });
    expect(chunkMessage(data)).toEqual(chunkMessage(data));
  });
});

describe('the strangest texts', () => {
  const hostile = hostileTexts({ seed: 5 }).filter(({ text }) => text.isWellFormed());

  it('let others have their turn while a batch of them is chunked and embedded', { timeout: 60_000 }, async () => {
    const sources = [...hostile, ...hostile].map(({ text }) => aMessageCreated({ content: text }).data);
    const embedder = new LocalEmbedder();
    let chunks: Chunk[][] = [];
    const hold = await loopHoldDuring(async () => {
      chunks = await chunkMessages(sources);
      await embedder.embed(chunks.flat().map(({ text }) => text));
    });
    expect(chunks).toEqual(sources.map((source) => chunkMessage(source)));
    // In one go it is more than a second; a slice is 10 ms and one text.
    expect(hold.maxMs).toBeLessThan(400);
  });

  it.each(hostile)('cost what their length says: $kind', async ({ text }) => {
    const embedder = new LocalEmbedder();
    const { data } = aMessageCreated({ content: text });
    const took = [];
    for (let run = 0; run < 3; run += 1) {
      took.push(await cpuMsOf(() => embedder.embed(chunkMessage(data).map((chunk) => chunk.text))));
    }
    // 5 to 30 ms on an idle machine; with marks in one run it was seconds.
    expect(Math.min(...took)).toBeLessThan(500);
  });
});

describe('splitting a text', () => {
  it('leaves a text that fits as it is', () => {
    const text = `  ${'a'.repeat(996)}  `;
    expect(splitText(text)).toEqual([text]);
  });

  it('prefers the end of a paragraph to the end of a sentence', () => {
    const paragraph = 'A sentence of the first paragraph. '.repeat(20).trim();
    const [first] = splitText(`${paragraph}\n\n${'A sentence of the second. '.repeat(40)}`);
    expect(first).toBe(paragraph);
  });

  it('prefers the end of a sentence to the end of a word', () => {
    const pieces = splitText('This sentence has exactly some words in it, no more. '.repeat(60));
    for (const piece of pieces) expect(piece).toMatch(/\.$/);
  });

  it('ends at a word when there are no sentences', () => {
    const text = 'lorem ipsum dolor sit amet consectetur '.repeat(60);
    for (const piece of splitText(text)) expect(` ${text} `).toContain(` ${piece} `);
  });

  it('repeats about a hundred characters, from the start of a word', () => {
    const text = Array.from({ length: 500 }, (_, i) => `word${i}`).join(' ');
    const pieces = splitText(text);
    for (const [i, piece] of pieces.entries()) {
      const next = pieces[i + 1];
      if (next === undefined) continue;
      const shared = piece.slice(piece.indexOf(next.slice(0, 40)));
      expect(next.startsWith(shared)).toBe(true);
      expect(shared.length).toBeGreaterThan(80);
      expect(shared.length).toBeLessThanOrEqual(100);
    }
  });

  it('loses no word', () => {
    const words = Array.from({ length: 3_000 }, (_, i) => `từ${i}`);
    const found = new Set(splitText(words.join(' ')).flatMap((piece) => piece.split(' ')));
    expect(words.filter((word) => !found.has(word))).toEqual([]);
  });

  it.each([
    ['letters with marks', 'a\u0301\u0323b\u0308'],
    ['families', '👨‍👩‍👧‍👦x'],
    ['flags', '🇻🇳🇩🇪🇫🇷'],
    ['skin tones', '👍🏽👍🏿'],
    ['Devanagari', 'क्षि'],
    ['Hangul in parts', '\u1112\u1161\u11ab'],
    ['line ends', 'x\r\n'],
    ['a space that carries a mark', 'ab \u0301'],
    ['Thai', 'สวัสดีครับ'],
  ])('never cuts a character in two: %s', (_, unit) => {
    // Unequal beginnings, so that the limit falls on every part of the unit.
    for (let shift = 0; shift < unit.length; shift += 1) {
      const text = 'i'.repeat(shift) + unit.repeat(400);
      for (const piece of splitText(text, { maxLength: 100, overlap: 20 })) {
        expect(piece.length).toBeLessThanOrEqual(100);
        expect(piece.isWellFormed()).toBe(true);
        expect(isWhole(piece, text)).toBe(true);
      }
    }
  });

  it('cuts a character that is longer than a piece between its code points', () => {
    const pieces = splitText(`a${'\u0301'.repeat(5_000)}${'👨\u200d'.repeat(2_000)}👨`);
    for (const piece of pieces) {
      expect(piece.length).toBeLessThanOrEqual(1_000);
      expect(piece.isWellFormed()).toBe(true);
    }
  });

  it('makes at least one piece, of white space if there is nothing else', () => {
    expect(splitText('\n'.repeat(5_000))).toEqual(['\n'.repeat(1_000)]);
  });

  const hostile = {
    'one long word': 'a',
    'combining marks only': '\u0301',
    'line breaks': '\n',
    'lines of spaces': `\n${' '.repeat(998)}x`,
    'full stops': '. ',
    'joined emoji': '👩\u200d',
    'Thai without a space': 'สวัสดีครับผมชื่อจอห์น',
    'Chinese without a full stop': '今天天气很好我们去公园玩',
  };
  it.each(Object.entries(hostile))('takes time in proportion to the length: %s', async (_, unit) => {
    const text = (length: number) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
    const timeOf = (length: number) => {
      const subject = text(length);
      return cpuMsOf(() => splitText(subject));
    };
    await timeOf(100_000); // warm
    // 10 MB were measured at 0.1 to 0.8 s; quadratic cost would be minutes.
    expect(await timeOf(1_000_000)).toBeLessThan(1_500);
  });
});
