import { expect, it } from 'vitest';
import type { DeadLetterOutcome } from '#lib/contracts/admin';
import { type Order, type Progress, runOrder } from './run-order.js';

const outcome = (facts: Partial<DeadLetterOutcome>): DeadLetterOutcome => ({
  queue: 'q',
  dryRun: false,
  done: 0,
  refused: [],
  refusedCount: 0,
  diedAgain: null,
  notFound: [],
  items: [],
  remaining: 0,
  stoppedBy: null,
  next: null,
  ...facts,
});
const idsOf = (count: number) => Array.from({ length: count }, (_, i) => `id-${i}`);
const never = new AbortController().signal;

it('an order is sent in slices, each id once, and its progress grows', async () => {
  const sent: string[] = [];
  const seen: number[] = [];
  const send = async ({ ids }: Order) => {
    sent.push(...ids);
    return outcome({ done: ids.length });
  };
  const end = await runOrder({ queue: 'q', ids: idsOf(250) }, send, ({ done }) => void seen.push(done), never);
  expect(sent).toEqual(idsOf(250));
  expect(seen).toEqual([100, 200, 250]);
  expect(end).toEqual({ total: 250, done: 250, refused: [], notFound: [], stoppedBy: undefined });
});

it('a rate is that of all slices together', async () => {
  const startedAt = performance.now();
  const sizes: number[] = [];
  const send = async ({ ids }: Order) => {
    sizes.push(ids.length);
    return outcome({ done: ids.length });
  };
  await runOrder({ queue: 'q', ids: idsOf(45), ratePerSecond: 10 }, send, () => undefined, AbortSignal.timeout(250));
  expect(sizes).toEqual([20]);
  expect(performance.now() - startedAt).toBeGreaterThan(200);
});

it('what a slice did not get to in time is sent again, and what RabbitMQ refuses ends the order', async () => {
  const sent: string[][] = [];
  const answers = [
    outcome({ done: 1, remaining: 2, stoppedBy: 'time', next: { first: 9, ids: ['id-1', 'id-2'] } }),
    outcome({ done: 1, stoppedBy: 'RabbitMQ: nacked, full', next: { first: 8, ids: ['id-2'] } }),
  ];
  const end = await runOrder(
    { queue: 'q', ids: idsOf(3) },
    async ({ ids }) => {
      sent.push([...ids]);
      return answers.shift() ?? outcome({});
    },
    () => undefined,
    never,
  );
  expect(sent).toEqual([idsOf(3), ['id-1', 'id-2']]);
  expect(end).toMatchObject({ done: 2, stoppedBy: 'RabbitMQ: nacked, full' });
});

it('refusals and missing ids of all slices are kept, and a failure leaves what was told before', async () => {
  let progress: Progress | undefined;
  const answers = [outcome({ done: 98, refused: [{ id: 'id-3', reason: 'too often' }], refusedCount: 1, notFound: ['id-4'] })];
  const running = runOrder(
    { queue: 'q', ids: idsOf(150) },
    async () => {
      const answer = answers.shift();
      if (answer === undefined) throw new Error('gone');
      return answer;
    },
    (told) => {
      progress = told;
    },
    never,
  );
  await expect(running).rejects.toThrow('gone');
  expect(progress).toMatchObject({ total: 150, done: 98, refused: [{ id: 'id-3', reason: 'too often' }], notFound: ['id-4'] });
});
