import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { isEmbedded, type RunningParley, startParley } from '#lib/testing/running-parley';
import { SocketClient } from '#lib/testing/socket-client';
import { SendJournal, SteadyLoad } from '#lib/testing/send-journal';
import { signal } from '#lib/devstack/process/process-identity';
import type { PrivateServer } from '#lib/devstack/process/server-process';

let parley: RunningParley;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack'), env: { WS_DRAIN_MS: '2000' } });
});
afterAll(() => parley.stop());

it('every service stops in order under load: exit code 0, in time, nothing lost and nothing dead-lettered', async () => {
  const clients = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((name) => parley.client(name)));
  const [host = await parley.client('host')] = clients;
  const conversation = await host.createConversation({ memberIds: ['bob', 'carol', 'dave'] });
  const journal = new SendJournal();
  const load = new SteadyLoad({ journal, clients, conversationIds: [conversation.id], pauseMs: 10 });

  const services = isEmbedded ? [parley.gateway, parley.gateway] : [parley.embedding, parley.ops, parley.gateway, parley.embedding];
  for (const service of services) {
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

it.skipIf(isEmbedded)(
  'realtime lets its sockets go one after the other, acknowledges what they have sent, and ends within its drain and 5 s',
  async () => {
    const { id } = await (await parley.client('alice')).createConversation({ memberIds: [] });
    const token = await parley.tokenOf({ user: 'alice' });
    const sockets = await Promise.all(Array.from({ length: 20 }, () => SocketClient.connect(parley.realtime.url, token)));
    for (const [i, socket] of sockets.entries()) {
      const ref = `${i}`;
      socket.send({ type: 'send', ref, conversationId: id, content: 'hello', clientMessageId: ref });
    }
    const startedAt = performance.now();
    expect(await terminated(parley.realtime)).toMatchObject({ how: 'exited with code 0' });
    expect(performance.now() - startedAt).toBeLessThan(7_000);
    const ends = await Promise.all(sockets.map(({ closed }) => closed));
    expect(ends.filter(({ code }) => code !== 4001)).toEqual([]);
    const waits = sockets.flatMap((socket) => socket.all('goaway').map(({ reconnectInMs }) => reconnectInMs));
    expect(waits.length).toBe(20);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(1_000);
    expect(sockets.map((socket) => socket.all('ack').length)).toEqual(sockets.map(() => 1));
    await parley.realtime.start();
    await (await SocketClient.connect(parley.realtime.url, token)).close();
  },
);

/** SIGTERM as an orchestrator sends it; the process is idle enough to need a fraction of its drain time. */
async function terminated(service: PrivateServer) {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  service.onCrash(resolve);
  const startedAt = performance.now();
  signal(service.pid ?? 0, 'SIGTERM');
  const how = await ended;
  return { service: service.name, how, isInTime: performance.now() - startedAt < 10_000 };
}
