import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { currentContext, runInContext } from '#lib/runtime/log/context';
import { currentDeadline, withDeadline } from '../call/deadline.js';
import { batchPerTick } from './batch-per-tick.js';

it('hands over what came in one turn together, in its order', async () => {
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

it('works for everybody: under no deadline and without ids of the first', async () => {
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
