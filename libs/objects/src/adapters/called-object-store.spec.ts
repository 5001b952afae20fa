import { describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { CalledObjectStore } from './called-object-store.js';
import type { ObjectBackend } from './object-backend.js';

const hanging = (signals: AbortSignal[]): ObjectBackend => {
  const hang = (signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<never>(() => undefined);
  };
  return {
    put: (_key, _bytes, _about, signal) => hang(signal),
    get: (_key, _max, signal) => hang(signal),
    remove: (_keys, signal) => hang(signal),
    keys: (_prefix, _limit, _after, signal) => hang(signal),
  };
};

describe('a call to an object store', () => {
  it('ends in time when the store hangs, each attempt with a signal of its own', async () => {
    const signals: AbortSignal[] = [];
    const store = new CalledObjectStore(hanging(signals), createBreakers(), 20);
    await expect(store.put('a', Buffer.from('x'), { contentType: 'text/plain' })).rejects.toMatchObject({ kind: 'timeout' });
    expect(signals.length).toBeGreaterThanOrEqual(1);
    expect(new Set(signals).size).toBe(signals.length);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
  });

  it('is refused at once while the breaker is open, and reads go on beside writes', async () => {
    const breakers = createBreakers();
    const backend: ObjectBackend = { ...hanging([]), put: () => Promise.reject(new Error('refused')), get: async () => undefined };
    const store = new CalledObjectStore(backend, breakers, 1_000);
    const put = () => store.put('a', Buffer.from('x'), { contentType: 'text/plain' }).catch((error: unknown) => error);
    for (let i = 0; i < 8; i += 1) await put();
    expect(await put()).toMatchObject({ kind: 'open' });
    expect(breakers.stateOf('objectStore')).toBe('open');
    expect(await store.get('a', 1)).toBeUndefined();
  });

  it('says nothing about the store when an object is too long', async () => {
    const breakers = createBreakers();
    const backend: ObjectBackend = { ...hanging([]), get: () => Promise.reject(new RangeError('too long')) };
    const store = new CalledObjectStore(backend, breakers, 1_000);
    for (let i = 0; i < 10; i += 1) await expect(store.get('a', 1)).rejects.toBeInstanceOf(RangeError);
    expect(breakers.stateOf('objectStore')).toBe('closed');
  });
});
