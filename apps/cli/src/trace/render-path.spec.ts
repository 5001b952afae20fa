import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { renderPath } from './render-path.js';
import type { Step } from '#lib/database/traces/step';

const step = (facts: Partial<Step> = {}): Step => ({
  who: 'gateway',
  what: 'x',
  at: 0,
  outcome: 'ok',
  isFailed: false,
  children: [],
  ...facts,
});

it('a path is a tree of 80 columns, whatever stands in it', () => {
  const deep = Array.from({ length: 12 }).reduce<Step>(
    (child) => step({ children: [child] }),
    step({ what: 'y'.repeat(200), outcome: 'z'.repeat(50) }),
  );
  const text = renderPath({
    traceIds: ['4bf92f3577b34da6a3ce929d0e0e4736'],
    requestIds: ['r\u001b[31m1'],
    messageIds: [],
    about: ['message 0198'],
    steps: [
      step({ what: 'POST /v1/x', durationMs: 12.34, outcome: '202' }),
      step({ at: 1_234_567, durationMs: 90_000_000, children: [deep] }),
    ],
    missing: ['a word '.repeat(30), 'w'.repeat(100)],
  });
  const lines = text.split('\n');

  expect(stripVTControlCharacters(text)).toContain('  +0.0ms gateway    POST /v1/x');
  expect(text).toContain('12.3ms');
  expect(text).not.toContain('\u001b[31m1');
  expect(Math.max(...lines.map((line) => stripVTControlCharacters(line).length))).toBeLessThanOrEqual(80);
});
