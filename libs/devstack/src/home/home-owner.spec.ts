import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Home, parleyHome } from './home.js';
import { isRefused, refuseForeignHome } from './home-owner.js';

const ROOT = 0;
const ALICE = 1001;
const BOB = 1002;

describe('the home of another user', () => {
  let home: Home;
  beforeEach(() => {
    home = parleyHome({ PARLEY_HOME: mkdtempSync(join(tmpdir(), 'parley-owner-')) });
  });
  afterEach(() => rmSync(home.folder, { recursive: true }));

  it('is refused in a sentence that names its owner and the ways out', () => {
    const stranger = (process.getuid?.() ?? 0) + 4_242;
    const { username } = userInfo();
    for (const access of ['start', 'look'] as const) {
      expect(() => refuseForeignHome(home, access, stranger)).toThrow(
        new RegExp(`${home.folder} belongs to ${username}.*you are user ${stranger}.*PARLEY_HOME=`, 's'),
      );
    }
  });

  it('is no home of another when it is ours, or not there yet', () => {
    expect(() => refuseForeignHome(home, 'start')).not.toThrow();
    expect(() => refuseForeignHome(parleyHome({ PARLEY_HOME: join(home.folder, 'new') }), 'start', 4_242)).not.toThrow();
  });

  it.each([
    [{ caller: ALICE, owner: ROOT }, 'start', true],
    [{ caller: ALICE, owner: ROOT }, 'look', true],
    [{ caller: BOB, owner: ALICE }, 'look', true],
    [{ caller: ROOT, owner: ALICE }, 'start', true],
    [{ caller: ROOT, owner: ALICE }, 'look', false],
    [{ caller: ALICE, owner: ALICE }, 'start', false],
  ] as const)('%j to %s: refused %s', (parties, access, expected) => {
    expect(isRefused(parties, access)).toBe(expected);
  });
});
