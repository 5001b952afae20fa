import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { QueueView } from '#lib/contracts/http';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SendJournal, SteadyLoad } from '#lib/testing/send-journal';

/** A whole minute shows nothing that 20 s do not: by then every breaker has been open, half-open and open again. */
const OUTAGE_MS = process.env['PARLEY_LONG_TESTS'] === '1' ? 60_000 : 20_000;

let own: PrivateStack; // a Chroma that may be killed
let parley: RunningParley;

beforeAll(async () => {
  own = await startPrivateStack({ only: ['chroma'] });
  parley = await startParley({ stack: { ...inject('stack'), chromaUrl: own.chromaUrl } });
});
afterAll(async () => {
  await parley?.stop();
  await own?.stop();
});

it('Parley counts no attempt and dead-letters nothing while Chroma is away, answers by words, and heals by itself', async () => {
  const alice = await parley.client('alice');
  const { id: conversationId } = await alice.createConversation({ memberIds: [] });
  const journal = new SendJournal();
  await journal.send(alice, conversationId, 'before the outage');
  await eventually(async () => expect(await checkConsistency(parley, journal.entries)).toEqual(consistent));

  await own.chroma.kill();
  const load = new SteadyLoad({ journal, clients: [alice], conversationIds: [conversationId], pauseMs: 200 });
  await eventually(async () => expect((await metricsOf(parley.embedding.url)).get('consumer_paused{queue="embedding.messages"}')).toBe(1), {
    what: 'the queue is paused',
    timeoutMs: 30_000,
  });
  await eventually(async () => {
    const { items, degraded } = await alice.search({ q: 'outage', conversationId });
    expect({ degraded, found: items.map(({ message }) => message.content) }).toEqual({ degraded: ['dense'], found: ['before the outage'] });
  });
  const operator = await parley.client('olga', ['admin']);
  await eventually(async () => expect(await seenBy(operator)).toMatchObject(outage), {
    what: 'operators see the outage',
    timeoutMs: 20_000,
  });
  const { oldestAgeSeconds: firstAge } = await queueOf(operator);
  // The outage itself is what is being tested, so here time has to pass.
  await sleep(OUTAGE_MS);
  expect((await queueOf(operator)).oldestAgeSeconds).toBeGreaterThan((firstAge ?? 0) + OUTAGE_MS / 2_000);
  await load.stop();
  expect(await attempts()).toEqual({ done: 1, retry: 0, deadLetter: 0 });
  expect((await alice.message(journal.acknowledged.at(-1)?.acknowledged?.id ?? '')).pipeline.embedding).toBe('pending');

  await own.chroma.start();
  const backAt = performance.now();
  await eventually(async () => expect(await checkConsistency(parley, journal.entries)).toEqual(consistent), {
    timeoutMs: 30_000,
    everyMs: 250,
  });
  expect(performance.now() - backAt).toBeLessThan(20_000);
  // Counted after the ledger, which was just read.
  await eventually(async () => expect(await attempts()).toEqual({ done: journal.entries.length, retry: 0, deadLetter: 0 }));
  await eventually(async () => expect((await alice.search({ q: 'outage', conversationId })).degraded).toEqual([]), { timeoutMs: 15_000 });
  await eventually(async () => expect(await seenBy(operator)).toMatchObject(calm), {
    what: 'operators see that it is over',
    timeoutMs: 30_000,
  });
  expect((await transitions()).filter(({ from, to }) => from === 'closed' && to === 'open').length).toBeLessThanOrEqual(2);
  expect(await transitions()).toContainEqual(expect.objectContaining({ level: 'warn', from: 'closed', to: 'open', error: 'ECONNREFUSED' }));
}, 240_000);

/** The breaker that pauses the queue is one of another process than the one that is asked. */
const outage = {
  breaker: 'open',
  queue: { paused: true, pausedSince: expect.any(String) },
  gauges: { paused: 1 },
  // Documents wait for it, too: their queue is named beside.
  health: { status: 'degraded', detail: expect.stringContaining('queue-paused embedding.messages') },
};
const calm = { breaker: 'closed', queue: { paused: false, oldestAgeSeconds: 0 }, gauges: { paused: 0, age: 0 }, health: { status: 'ok' } };

const Breakers = z.object({
  items: z.array(z.object({ app: z.string(), dependency: z.string(), operation: z.string(), state: z.string() })),
});
const Queues = z.object({ items: z.array(QueueView) });

async function queueOf(operator: ParleyClient): Promise<QueueView> {
  const { items } = Queues.parse((await operator.request('GET', '/v1/admin/queues')).body);
  const [queue] = items;
  if (queue === undefined) throw new Error('no queue is shown');
  return queue;
}

/** What an operator sees who asks the gateway, and Prometheus, which asks ops. */
async function seenBy(operator: ParleyClient) {
  const { items } = Breakers.parse((await operator.request('GET', '/v1/admin/breakers')).body);
  const gauges = await metricsOf(parley.ops.url);
  const { checks } = (await operator.request('GET', '/v1/health')).body as { checks: Record<string, unknown> };
  return {
    breaker: items.find(({ app, dependency, operation }) => app === 'embedding' && dependency === 'chroma' && operation === 'upsert')
      ?.state,
    queue: await queueOf(operator),
    gauges: {
      paused: gauges.get('consumer_paused{queue="embedding.messages"}'),
      age: gauges.get('queue_oldest_age_seconds{queue="embedding.messages"}'),
    },
    health: checks['pipeline'],
  };
}

/** What embedding has logged of its breakers. */
async function transitions(): Promise<Record<string, unknown>[]> {
  const lines = (await parley.logOf('embedding')).split('\n').filter((line) => line.includes('"circuit breaker'));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function attempts() {
  const metrics = await metricsOf(parley.embedding.url);
  const count = (outcome: string) => metrics.get(`event_attempts_total{queue="embedding.messages",outcome="${outcome}"}`) ?? 0;
  return { done: count('done'), retry: count('retry'), deadLetter: count('dead-letter') };
}
