import { describe, expect, it } from 'vitest';
import { parseTtl, refuseLongTtl } from './token.js';

describe('the lifetime of a token', () => {
  it.each([
    ['30s', 30],
    ['15m', 900],
    ['1h', 3_600],
    ['366d', 31_622_400],
  ])('%s is %i seconds', (text, seconds) => {
    expect(parseTtl(text)).toBe(seconds);
  });

  it.each(['', '1', 'h', '0h', '-1h', '1.5h', '1 h', '1w', '9999999999s'])('refuses %j', (text) => {
    expect(() => parseTtl(text)).toThrow('--ttl must be a number and s, m, h or d');
  });

  it('is no longer than the gateway takes', () => {
    expect(() => refuseLongTtl(86_400, 86_400)).not.toThrow();
    expect(() => refuseLongTtl(86_401, 86_400)).toThrow('--ttl must be at most 86400s');
  });
});
