import { describe, expect, it } from 'vitest';
import { FairTurns } from './fair-turns.js';

describe('fair turns', () => {
  it('come in the order of arrival for one sender, whatever its items cost', () => {
    const turns = new FairTurns();
    const taken = [5, 1, 9, 1].map((cost) => turns.take('alice', cost));
    expect(taken).toEqual([...taken].sort((one, other) => one - other));
  });

  it('put the backlog of one sender behind the first item of another', () => {
    const turns = new FairTurns();
    const backlog = Array.from({ length: 10 }, () => turns.take('mallory', 10));
    const first = turns.take('bob', 10);
    expect(backlog.filter((turn) => turn < first)).toHaveLength(0);
    expect(backlog.filter((turn) => turn === first)).toHaveLength(1);
  });

  it('give a sender that was silent no claim on the past', () => {
    const turns = new FairTurns();
    for (let i = 0; i < 10; i += 1) turns.serve('alice', turns.take('alice', 10));
    expect(turns.take('bob', 10)).toBe(turns.take('alice', 10));
  });

  it('put an item that waits again before the later ones of its sender', () => {
    const turns = new FairTurns();
    const turn = turns.take('alice', 10);
    turns.serve('alice', turn);
    turns.takeBack('alice', turn);
    expect(turns.take('alice', 1)).toBeGreaterThan(turn);
  });
});
