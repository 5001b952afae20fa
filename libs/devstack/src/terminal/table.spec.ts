import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { describe, expect, it } from 'vitest';
import { tableOf, withoutMiddle } from './table.js';

const widest = (text: string) =>
  Math.max(
    ...stripVTControlCharacters(text)
      .split('\n')
      .map((line) => line.length),
  );

describe('a table', () => {
  it('is as wide as what it holds where there is room', () => {
    expect(tableOf(['name', 'n'], [['gateway', 1]], 80)).toContain('│ gateway │ 1 │');
  });

  it('fits 80 columns whatever it holds, and keeps both ends of what is too long', () => {
    const id = '019a8e2c-7d5f-7a31-9c44-0b1f2e3d4c5b';
    const row = [id, 'embedding.messages', 'message.created', pc.red(`DependencyError ${'x'.repeat(200)} the end`), 12, id];
    const table = tableOf(['id', 'queue', 'type', 'error', 'tries', 'conversation'], [row, row.map(() => 'a\nb')], 80);
    expect(widest(table)).toBeLessThanOrEqual(80);
    expect(table).toMatch(/019a8\S*…\S*4c5b/);
  });

  it('does not obey what stands in it', () => {
    expect(tableOf(['text'], [['\u001b[2Jgone\u0007\r\u009b1m']], 80)).not.toMatch(/[\u0007\r\u009b]|\u001b\[2J/);
  });

  it('keeps a colour that it was given', () => {
    expect(tableOf(['state'], [[`\u001b[31m${'down '.repeat(40)}\u001b[39m`]], 80)).toMatch(/\u001b\[31mdown.*….*\u001b\[39m/);
  });
});

describe('a text without its middle', () => {
  it.each([
    ['short', 10, 'short'],
    ['0123456789', 7, '012…789'],
    ['0123456789', 6, '012…89'],
    ['日本語日本語', 7, '日本…語'],
    ['xy', 1, '…'],
  ])('%s in %i columns: %s', (text, width, expected) => {
    expect(withoutMiddle(text, width)).toBe(expected);
  });
});
