import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SendJournal, SteadyLoad } from '#lib/testing/send-journal';

let parley: RunningParley;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack'), env: { WEB_CONCURRENCY: '2', DB_POOL_SIZE: '6' } });
});
afterAll(() => parley?.stop());

const InFlight = z.object({
  items: z.array(z.object({ app: z.string(), pid: z.int(), silent: z.boolean() })),
  lockWaits: z.array(z.unknown()).nullable(),
});

it('a gateway of two workers loses nothing when one is killed under load, and both answer for each other', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => parley.client(`user-${i}`)));
  const operator = await parley.client('olga', ['admin']);
  const host = await parley.client('host');
  const memberIds = clients.map((_, i) => `user-${i}`);
  const conversations = await Promise.all(Array.from({ length: 4 }, () => host.createConversation({ memberIds })));
  const journal = new SendJournal();
  const workers = () =>
    eventually(
      async () => {
        const { items, lockWaits } = InFlight.parse((await operator.request('GET', '/v1/admin/in-flight')).body);
        expect(items.map(({ app, silent }) => [app, silent])).toEqual([
          ['delivery', false],
          ['embedding', false],
          ['gateway', false],
          ['gateway', false],
          ['ops', false],
          ['realtime', false],
          ['scoring', false],
        ]);
        expect(lockWaits).toEqual([]);
        return items.filter(({ app }) => app === 'gateway').map(({ pid }) => pid);
      },
      { timeoutMs: 30_000, what: 'two workers, and every other process, that answer' },
    );
  const [victim = 0, survivor = 0] = await workers();

  const load = new SteadyLoad({ journal, clients, conversationIds: conversations.map(({ id }) => id), pauseMs: 20 });
  await eventually(() => expect(journal.acknowledged.length).toBeGreaterThan(100));
  process.kill(victim, 'SIGKILL');
  const acknowledged = journal.acknowledged.length;
  await eventually(() => expect(journal.acknowledged.length).toBeGreaterThan(acknowledged + 200), { timeoutMs: 30_000 });
  await load.stop();

  const after = await workers();
  expect(after).toContain(survivor);
  expect(after).not.toContain(victim);
  await eventually(async () => expect(await checkConsistency(parley, journal.entries)).toEqual(consistent), {
    timeoutMs: 60_000,
    everyMs: 500,
  });
});

it('a gateway of two workers drains both when it is told to stop', async () => {
  await parley.gateway.stop();

  expect((await parley.logOf('gateway')).match(/"message":"stopped"/g)).toHaveLength(2);
  expect(await parley.logOf('gateway')).toContain('all workers stopped');
});
