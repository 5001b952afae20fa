import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { currentContext, runInContext } from '#lib/runtime/log/context';
import { currentDeadline, withDeadline } from '../call/deadline.js';
import { batchPerTick } from './batch-per-tick.js';

it('a batch per tick has what came in one turn, in its order', async () => {
  const handed: number[][] = [];
  const add = batchPerTick<number>((items) => handed.push(items));
  add(1);
  await Promise.resolve();
  add(2);
  expect(handed).toEqual([]);
  await nextTurn();
  add(3);
  await nextTurn();
  expect(handed).toEqual([[1, 2], [3]]);
});

it('a batch per tick runs outside the deadline and log context of any caller', async () => {
  const seen: unknown[] = [];
  const add = batchPerTick(() => seen.push(currentDeadline(), currentContext()));
  await runInContext({ requestId: 'first' }, () =>
    withDeadline(1_000, async () => {
      add('item');
      await nextTurn();
    }),
  );
  expect(seen).toEqual([undefined, {}]);
});
