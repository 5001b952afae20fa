import { expect, it } from 'vitest';
import { createBreakers } from './adapters/opossum-breaker.js';
import { DependencyCall } from './dependency-call.js';
it('works', async () => {
  const breakers = createBreakers();
  const call = new DependencyCall({ dependency: 'chroma', operation: 'x', timeoutMs: 50 }, breakers);
  expect(await call.run(async () => 1)).toBe(1);
  for (let i = 0; i < 5; i++)
    await call
      .run(async () => {
        throw new Error('x');
      })
      .catch(() => 0);
  await expect(call.run(async () => 1)).rejects.toThrow('open');
  expect(breakers.stateOf('chroma')).toBe('open');
});
