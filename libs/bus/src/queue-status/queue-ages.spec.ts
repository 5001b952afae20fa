import { describe, expect, it } from 'vitest';
import { QueueAges } from './queue-ages.js';

const QUEUE = 'embedding.messages';
const START = 1_000_000;

const looking = () => {
  const ages = new QueueAges();
  return (atSeconds: number, ready: number | null, heldAtSeconds?: number) =>
    ages.age(
      { queue: QUEUE, ready, oldestHeldAt: heldAtSeconds === undefined ? undefined : START + heldAtSeconds * 1_000 },
      START + atSeconds * 1_000,
    );
};

describe('the age of a queue', () => {
  it('the age is that of the oldest message that a consumer holds', () => {
    expect(looking()(10, 500, 4)).toBe(6);
  });

  it('the age goes on rising when the consumer dies, and is 0 when the queue is empty', () => {
    const age = looking();
    age(10, 500, 4);
    expect([age(20, 600), age(30, 600), age(40, 0)]).toEqual([16, 26, 0]);
  });

  it('the age of a queue that never had a consumer rises from the first reading that was not empty', () => {
    const age = looking();
    expect([age(0, 0), age(5, 1), age(15, 2), age(20, 0), age(25, 1)]).toEqual([0, 0, 10, 0, 0]);
  });

  it('the age is unknown while the length is, and survives a broker that reports 0 for a moment', () => {
    const age = looking();
    age(0, 5);
    expect([age(10, null), age(20, 0), age(25, 5), age(60, 0), age(61, 1)]).toEqual([null, 0, 25, 0, 0]);
  });

  it('the age is never negative when clocks differ', () => {
    expect(looking()(10, 1, 12)).toBe(0);
  });
});
