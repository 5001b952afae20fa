import { expect, it } from 'vitest';
import { onceContract } from '../once/once.contract.js';
import { MemoryOnce } from './memory-once.js';

onceContract('MemoryOnce', async () => {
  const once = new MemoryOnce();
  return [once, once];
});

it('forgets the oldest keys beyond ten thousand, and those whose time is over', async () => {
  let now = 0;
  const once = new MemoryOnce(() => now);
  for (let i = 0; i <= 10_000; i += 1) await once.take(`key ${i}`, 60_000);
  expect([await once.take('key 10000', 1), await once.take('key 0', 60_000)]).toEqual([false, true]);
  now = 60_001;
  expect(await once.take('key 9999', 1)).toBe(true);
});
