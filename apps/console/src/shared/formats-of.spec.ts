import { expect, it } from 'vitest';
import { formatsOf, localeOf } from './formats-of.js';

const AFTERNOON = Date.parse('2026-11-22T14:05:09Z');
const plain = (text: string) => text.replace(/\s/g, ' ');
const shown = (language: string, ...ofBrowser: string[]) => {
  const { time, seconds, full, number } = formatsOf(localeOf(language, ofBrowser));
  return [time(AFTERNOON), seconds(AFTERNOON), full(AFTERNOON), number(1_234.5)].map(plain);
};

it('the clock is that of the browser in every language, and the same in all formats', () => {
  expect(shown('en', 'en-GB')).toEqual(['14:05', '14:05:09', '22 Nov 2026, 14:05:09', '1,234.5']);
  expect(shown('en', 'en-US')).toEqual(['2:05 PM', '2:05:09 PM', 'Nov 22, 2026, 2:05:09 PM', '1,234.5']);
  expect(shown('vi', 'vi-VN')).toEqual(['14:05', '14:05:09', '14:05:09 22 thg 11, 2026', '1.234,5']);
});

it('a language that the browser does not have is written with the clock of the browser', () => {
  expect(shown('en', 'vi-VN').slice(0, 2)).toEqual(['14:05', '14:05:09']);
  expect(shown('vi', 'en-US')[0]).toMatch(/^2:05 /);
  expect(shown('en', 'de-DE', 'en-GB')[2]).toBe('22 Nov 2026, 14:05:09');
});

it('durations and sizes keep to one figure after the point, and ages count down in words', () => {
  const { duration, bytes, ago, moment, day } = formatsOf(localeOf('vi', ['vi-VN']));
  expect([duration(3.4), duration(1_440), duration(180_000), bytes(1_240_000)].map(plain)).toEqual(['3 ms', '1,4 s', '3 phút', '1,2 MB']);
  expect(ago(AFTERNOON - 3_600_000, AFTERNOON)).toBe('1 giờ trước');
  expect(ago(AFTERNOON + 5_000, AFTERNOON)).toBe('bây giờ');
  expect(moment(AFTERNOON - 86_400_000)).toBe(day(AFTERNOON - 86_400_000));
});
