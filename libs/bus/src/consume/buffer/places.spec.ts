import { describe, expect, it } from 'vitest';
import { Places } from './places.js';

describe('Places', () => {
  it('gives out its places and then lets wait, first come, first served', async () => {
    const places = new Places(1, 10);
    const order: string[] = [];
    expect(await places.take(0)).toBe(true);
    const second = places.take(1_000).then(() => order.push('second'));
    const third = places.take(1_000).then(() => order.push('third'));
    expect(order).toEqual([]);
    places.giveBack();
    await second;
    places.giveBack();
    await third;
    expect(order).toEqual(['second', 'third']);
    expect(places.taken).toBe(1);
  });

  it('turns away who waited too long, and does not give them the place later', async () => {
    const places = new Places(1, 10);
    await places.take(0);
    expect(await places.take(5)).toBe(false);
    places.giveBack();
    expect(places.taken).toBe(0);
    expect(await places.take(0)).toBe(true);
  });

  it('turns away at once who finds the line full', async () => {
    const places = new Places(1, 1);
    await places.take(0);
    const waiting = places.take(1_000);
    expect(places.isFull).toBe(true);
    expect(await places.take(60_000)).toBe(false);
    places.giveBack();
    expect(await waiting).toBe(true);
  });

  it('lets in who was inside before, and gives out nothing until the surplus is gone', async () => {
    const places = new Places(1, 1);
    await places.take(0);
    places.takeAnyway();
    const waiting = places.take(1_000);
    places.giveBack();
    expect(places.taken).toBe(1);
    places.giveBack();
    expect(await waiting).toBe(true);
  });

  it('tells when it is empty', async () => {
    const places = new Places(2, 0);
    await places.empty();
    await places.take(0);
    let isEmpty = false;
    const empty = places.empty().then(() => (isEmpty = true));
    await Promise.resolve();
    expect(isEmpty).toBe(false);
    places.giveBack();
    await empty;
    expect(isEmpty).toBe(true);
  });
});
