import { describe, expect, it } from 'vitest';
import { parseTtl } from './token.js';

describe('the lifetime of a token', () => {
  it.each([
    ['30s', 30],
    ['15m', 900],
    ['1h', 3_600],
    ['366d', 31_622_400],
  ])('%s is %i seconds', (text, seconds) => {
    expect(parseTtl(text)).toBe(seconds);
  });

  it.each(['', '1', 'h', '0h', '-1h', '1.5h', '1 h', '1w', '367d', '9999999999s'])('refuses %j', (text) => {
    expect(() => parseTtl(text)).toThrow('--ttl must be a number and s, m, h or d');
  });
});
