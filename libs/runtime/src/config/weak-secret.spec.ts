import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { weaknessOf } from './weak-secret.js';

describe('a key for tokens', () => {
  it.each([
    ['change-me-change-me-change-me-change-me', 'default'],
    ['Change_Me!'.padEnd(40, 'x7'), 'default'],
    ['your-256-bit-secret-your-256-bit', 'default'],
    ['x'.repeat(40), 'repeated'],
    ['0123456789'.repeat(4), 'repeated'],
    ['abcdefghijklmnopqrstuvwxyz012345', 'neighbouring'],
    ['adgadggadaggdadgagdaggadgdagadgg', 'too few'],
  ])('%s is refused', (secret, why) => {
    expect(weaknessOf(secret)).toContain(why);
  });

  it('is taken when it is random, in hexadecimal or base64', () => {
    const secrets = Array.from({ length: 500 }, () => randomBytes(16).toString('hex'));
    const longer = Array.from({ length: 500 }, () => randomBytes(32).toString('base64url'));
    expect([...secrets, ...longer].filter((secret) => weaknessOf(secret) !== undefined)).toEqual([]);
  });
});
