import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { FriendshipHistory, FriendshipStatusView } from '#lib/contracts/scores';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { ScriptedLlm } from '#lib/testing/scripted-llm';

/** Law 3: its breaker waits 60 s. */
const HEALS_WITHIN_MS = 62_000;
/** What the conversations after the first and a busy test machine may add. */
const NOISE_MS = 15_000;

/** Budget and presence lie in a Redis that other tests use too. */
const user = `alice-${newId().slice(-12)}`;

let llm: ScriptedLlm;
let parley: RunningParley;
let alice: ParleyClient;
beforeAll(async () => {
  llm = await ScriptedLlm.start();
  parley = await startParley({ stack: inject('stack'), env: { ...llm.settings, LLM_REQUESTS_PER_MINUTE: '6000' } });
  alice = await parley.client(user);
});
afterAll(async () => {
  await parley?.stop();
  await llm?.stop();
});

const statusAnswer = async (): Promise<FriendshipStatusView> => {
  const answer = await alice.request('GET', `/v1/friendship_status/${user}`);
  expect(answer.status).toBe(200);
  return answer.body as FriendshipStatusView;
};
const history = async (): Promise<FriendshipHistory['items']> =>
  ((await alice.request('GET', `/v1/friendship_status/${user}/history`)).body as FriendshipHistory).items;

const end = async (conversationId: string): Promise<void> => {
  const conversationLog = [
    { role: 'user', content: 'Do you like jazz? And what about the blues?' },
    { role: 'bot', content: 'Both.' },
    { role: 'user', content: 'Me too, it makes me happy!' },
  ];
  const times = { startTime: '2026-01-31T09:00:00.000Z', endTime: '2026-01-31T09:30:00.000Z' };
  const answer = await alice.request('POST', '/v1/conversations/end', {
    conversationId,
    userId: user,
    ...times,
    conversationLog,
  });
  expect(answer.status).toBe(202);
};
const checkOfLlm = async () =>
  ((await alice.request('GET', '/v1/health')).body as { checks: Record<string, { status: string; breaker: string }> }).checks['llm'];
const DONE = 'event_attempts_total{queue="scoring.conversations",outcome="done"}';
const scoringMetric = async (name: string) => (await metricsOf(parley.scoring.url)).get(name) ?? 0;

it('an outage of the language model leaves scores as they are, and each conversation of it counts once when the model is back', async () => {
  await end('before');
  await eventually(async () => expect(await statusAnswer()).toMatchObject({ degraded: false, version: 1 }), { timeoutMs: 15_000 });
  const { score } = await statusAnswer();
  expect(score).toBeGreaterThan(0);
  await eventually(async () => expect(await checkOfLlm()).toMatchObject({ status: 'ok', breaker: 'closed' }), { timeoutMs: 10_000 });

  llm.answer = () => ({ status: 500, body: { error: { message: 'overloaded' } } });
  await end('during-1');
  await end('during-2');
  await end('during-3');
  await eventually(async () => expect(await statusAnswer()).toMatchObject({ degraded: true, score }), {
    timeoutMs: 30_000,
    what: 'the status says that it is degraded, with the score of before',
  });
  await eventually(async () => expect(await checkOfLlm()).toMatchObject({ status: 'down', breaker: 'open' }), {
    timeoutMs: 15_000,
    what: 'health tells the truth about the model',
  });
  await eventually(async () => expect(await scoringMetric('consumer_paused{queue="scoring.rescores"}')).toBe(1), {
    timeoutMs: 10_000,
    what: 'the queue of what is scored again waits',
  });
  // With the breaker open a conversation is degraded at once, and the model is left alone.
  const handled = (count: number) =>
    eventually(async () => expect(await scoringMetric(DONE)).toBe(count), { timeoutMs: 20_000, what: `${count} ends are handled` });
  await handled(4);
  const asked = llm.asked.length;
  await end('during-4');
  await handled(5);
  expect(await statusAnswer()).toMatchObject({ degraded: true, score });
  expect(llm.asked).toHaveLength(asked);

  llm.answer = () => undefined;
  await eventually(async () => expect(await statusAnswer()).toMatchObject({ degraded: false, score: 5 * score }), {
    timeoutMs: HEALS_WITHIN_MS + NOISE_MS,
    what: 'all conversations are scored',
  });
  const changes = await history();
  expect(changes.map(({ conversationId }) => conversationId).toSorted()).toEqual([
    'before',
    'during-1',
    'during-2',
    'during-3',
    'during-4',
  ]);
  expect(changes.reduce((sum, { scoreChange }) => sum + scoreChange, 0)).toBe(5 * score);
  expect(changes[0]?.analysedBy).toEqual({ provider: 'openai', model: 'scripted', promptVersion: 1 });
  for (const queue of ['scoring.conversations', 'scoring.rescores']) {
    for (const outcome of ['retry', 'dead-letter']) {
      expect(await scoringMetric(`event_attempts_total{queue="${queue}",outcome="${outcome}"}`)).toBe(0);
    }
  }
  await eventually(async () => expect(await checkOfLlm()).toMatchObject({ status: 'ok', breaker: 'closed' }), { timeoutMs: 10_000 });
}, 240_000);
