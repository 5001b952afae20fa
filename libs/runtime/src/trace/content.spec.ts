import { afterEach, expect, it } from 'vitest';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { MAX_CONTENT, showContent, shownContent } from './content.js';

afterEach(() => showContent(false));

it('content is not even made unless it is switched on', () => {
  expect(
    shownContent(() => {
      throw new Error('made');
    }),
  ).toBeUndefined();
});

it('content that is switched on is cut, and shows no address, number or credential', () => {
  showContent(true);
  const text = [
    'Write to an.binh+x@mail.example.vn or call +84 91 234 56 78, card 4111 1111 1111 1111.',
    'Authorization: Bearer abcdef123456789 and eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl',
    'sk-proj-abcdefghijklmnop, postgres://parley:hunter2@db/parley, in 2026 at 12:30, room 1234',
  ].join('\n');
  expect(shownContent(() => text)).toBe(
    [
      'Write to [email] or call [number], card [number].',
      'Authorization: [credential] and [token]',
      '[key], [login]@db/parley, in 2026 at 12:30, room 1234',
    ].join('\n'),
  );
  expect(shownContent(() => 'ô'.repeat(100_000))).toHaveLength(MAX_CONTENT);
});

it('a hostile text takes no longer than a harmless one', async () => {
  showContent(true);
  for (const unit of ['1 ', 'a.', 'a@', 'a://', '-', '+', 'eyJ', '1-']) {
    expect(await cpuMsOf(() => shownContent(() => unit.repeat(MAX_CONTENT)))).toBeLessThan(1_000);
  }
});
