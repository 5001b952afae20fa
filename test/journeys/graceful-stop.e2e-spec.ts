import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SendJournal, SteadyLoad } from '#lib/testing/send-journal';
import { signal } from '#lib/devstack/process/process-identity';
import type { PrivateServer } from '#lib/devstack/process/server-process';

let parley: RunningParley;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
});
afterAll(() => parley.stop());

it('every service stops in order under load: exit code 0, in time, nothing lost and nothing dead-lettered', async () => {
  const clients = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((name) => parley.client(name)));
  const [host = await parley.client('host')] = clients;
  const conversation = await host.createConversation({ memberIds: ['bob', 'carol', 'dave'] });
  const journal = new SendJournal();
  const load = new SteadyLoad({ journal, clients, conversationIds: [conversation.id], pauseMs: 10 });

  for (const service of [parley.embedding, parley.ops, parley.gateway, parley.embedding]) {
    const wanted = journal.acknowledged.length + 50;
    await eventually(() => expect(journal.acknowledged.length).toBeGreaterThanOrEqual(wanted), { timeoutMs: 20_000 });
    expect(await terminated(service)).toEqual({ service: service.name, how: 'exited with code 0', isInTime: true });
    await service.start();
  }
  await load.stop();

  await eventually(async () => expect(await checkConsistency(parley, journal.entries)).toEqual(consistent), {
    timeoutMs: 30_000,
    everyMs: 500,
  });
});

/** SIGTERM as an orchestrator sends it; the process is idle enough to need a fraction of its drain time. */
async function terminated(service: PrivateServer) {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  service.onCrash(resolve);
  const startedAt = performance.now();
  signal(service.pid ?? 0, 'SIGTERM');
  const how = await ended;
  return { service: service.name, how, isInTime: performance.now() - startedAt < 10_000 };
}
