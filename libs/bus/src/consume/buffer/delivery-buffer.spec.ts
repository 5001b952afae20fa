import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { aReceived } from '../../builders.contract.js';
import type { Received } from './received.js';
import { DeliveryBuffer } from './delivery-buffer.js';

const ordinary = (): Received => aReceived();
const suspect = (): Received => aReceived(undefined, { returnCount: 3 });

describe('DeliveryBuffer', () => {
  let dueCount: number;
  const aRoom = () => new DeliveryBuffer({ size: 10, waitMs: 0 }, () => (dueCount += 1));

  beforeEach(() => {
    dueCount = 0;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('ordinary deliveries are taken in batches', () => {
    const room = aRoom();
    const [one, two] = [ordinary(), ordinary()];
    room.add(one);
    room.add(two);
    expect(room.take(10, 1)).toEqual([one, two]);
    expect(dueCount).toBe(2);
  });

  it('a suspect is taken after all suspects have arrived, one at a time, and only when nothing else runs', () => {
    const room = aRoom();
    for (let count = 0; count < 3; count += 1) room.add(suspect());
    expect(room.take(10, 0)).toEqual([]);
    vi.runAllTimers();
    expect(dueCount).toBe(1);
    expect(room.take(10, 1)).toEqual([]);
    expect(room.take(10, 0)).toHaveLength(1);
    expect(room.take(10, 0)).toEqual([]);
  });

  it('no batch starts beside a suspect, nor before its acknowledgement has left', () => {
    const room = aRoom();
    room.add(suspect());
    vi.runAllTimers();
    room.take(10, 0);
    room.add(ordinary());
    expect(room.take(10, 1)).toEqual([]);
    room.ended();
    expect(room.take(10, 0)).toEqual([]);
    vi.runAllTimers();
    expect(room.take(10, 0)).toHaveLength(1);
  });

  it('a suspect that is put back stays a suspect', () => {
    const room = aRoom();
    const [one, other] = [suspect(), ordinary()];
    room.putBack([one, other]);
    expect(room.take(10, 0)).toEqual([one]);
    expect(room.count).toBe(1);
  });

  it('dropping removes ordinary deliveries and suspects', () => {
    const room = aRoom();
    room.add(suspect());
    room.add(ordinary());
    room.drop(() => true);
    expect(room.items()).toEqual([]);
  });
});
