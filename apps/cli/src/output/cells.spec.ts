import { expect, it } from 'vitest';
import { ago, duration, processLabels, shortened } from './cells.js';

it.each([
  [20, '20ms'],
  [7_400, '7s'],
  [99_000, '99s'],
  [720_000, '12m'],
  [10_800_000, '3h'],
  [777_600_000, '9d'],
])('a duration of %i ms is shown as %s', (ms, shown) => {
  expect(duration(ms)).toBe(shown);
});

it('an age says how long ago a time was, and nothing negative when clocks differ', () => {
  const now = Date.parse('2026-01-01T00:01:00.000Z');
  expect(ago('2026-01-01T00:00:00.000Z', now)).toBe('60s');
  expect(ago('2026-01-01T00:02:00.000Z', now)).toBe('0ms');
});

it('a cell cuts what is too long, and says so', () => {
  expect(shortened('POST /v1/conversations/{id}/messages', 10)).toBe('POST /v1/…');
  expect(shortened('ops', 10)).toBe('ops');
});

it('process labels name hosts only where there are several', () => {
  const one = { app: 'ops', host: 'a', pid: 1 };
  expect(processLabels([one])(one)).toBe('ops#1');
  expect(processLabels([one, { ...one, host: 'b' }])(one)).toBe('ops@a#1');
});
