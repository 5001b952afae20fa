import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import { type PrivateStack, startPrivateStack } from '#lib/testing/private-stack';
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

it('counts no attempt and dead-letters nothing while Chroma is away, answers by words, and heals by itself', async () => {
  const alice = await parley.client('alice');
  const { id: conversationId } = await alice.createConversation({ memberIds: [] });
  const journal = new SendJournal();
  await journal.send(alice, conversationId, 'before the outage');
  await eventually(async () => expect(await checkConsistency(parley, journal.entries)).toEqual(consistent));

  await own.chroma.kill();
  const load = new SteadyLoad({ journal, clients: [alice], conversationIds: [conversationId], pauseMs: 200 });
  await eventually(async () => expect((await metricsOf(parley.embedding.url)).get('consumer_paused{queue="embedding.messages"}')).toBe(1), {
    what: 'the queue is paused',
  });
  await eventually(async () => {
    const { items, degraded } = await alice.search({ q: 'outage', conversationId });
    expect({ degraded, found: items.map(({ message }) => message.content) }).toEqual({ degraded: ['dense'], found: ['before the outage'] });
  });
  // The outage itself is what is being tested, so here time has to pass.
  await sleep(OUTAGE_MS);
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
  expect(await attempts()).toEqual({ done: journal.entries.length, retry: 0, deadLetter: 0 });
  await eventually(async () => expect((await alice.search({ q: 'outage', conversationId })).degraded).toEqual([]), { timeoutMs: 15_000 });
});

async function attempts() {
  const metrics = await metricsOf(parley.embedding.url);
  const count = (outcome: string) => metrics.get(`event_attempts_total{queue="embedding.messages",outcome="${outcome}"}`) ?? 0;
  return { done: count('done'), retry: count('retry'), deadLetter: count('dead-letter') };
}
