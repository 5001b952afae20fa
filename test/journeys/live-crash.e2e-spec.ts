import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { percentilesOf } from '#lib/testing/percentiles';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { CrowdProcess } from '../bench/live/crowd/crowd-process.js';
import type { LiveConversation, LiveTarget, Sent } from '../bench/live/live-target.js';
import { offerLive } from '../bench/live/offer.js';
import { parleyTarget } from '../bench/live/parley-target.js';

const CONVERSATIONS = 10;
const MEMBERS = 100;
/** Three times the goal of 5 s, which `npm run bench` measures: here other tests have their share of the two cores. */
const RESUMED_WITHIN_MS = 15_000;
const SOCKETS = CONVERSATIONS * MEMBERS;

let parley: RunningParley;
let target: LiveTarget;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack'), twice: { realtime: {} } });
  target = await parleyTarget(parley);
});
afterAll(() => parley?.stop());

/** So many messages to each conversation, one conversation after the other, steadily. @returns the head of each. */
const steadily = async (conversations: readonly LiveConversation[], count: number, perSecond: number): Promise<number[]> => {
  const sent = await Promise.all(conversations.map((each) => offerLive(target, each, { count, perSecond: perSecond / CONVERSATIONS })));
  return sent.map((messages: readonly Sent[]) => Math.max(0, ...messages.map(({ seq }) => seq)));
};

it('a thousand sockets of a realtime process that is killed resume on the other one and miss nothing, get nothing twice and nothing out of order', async () => {
  const conversations = await target.makeConversations(CONVERSATIONS, MEMBERS);
  const others = await target.makeConversations(2, MEMBERS);
  // The other process has sockets of its own, as it has in production: it is no new one.
  const neighbours = await CrowdProcess.open(await target.crowdOf(others, { capacity: 1, firstNode: 0 }));
  const crowd = await CrowdProcess.open(await target.crowdOf(conversations, { capacity: 200, firstNode: 1 }));
  try {
    const sending = steadily(conversations, 30, 30);
    await eventually(async () => expect((await crowd.logs()).every(({ counts }) => counts[3] === MEMBERS)).toBe(true), {
      what: 'everyone has the first messages',
      timeoutMs: 20_000,
    });

    await crowd.letGo(1); // the clock starts
    await parley.seconds.realtime?.kill();

    await eventually(async () => expect((await crowd.comeback()).readyMs).toHaveLength(SOCKETS), {
      timeoutMs: 30_000,
      what: 'everyone has resumed',
    });
    const { readyMs } = await crowd.comeback();
    expect(percentilesOf(readyMs).p99).toBeLessThan(RESUMED_WITHIN_MS);

    const heads = await sending;
    expect(Math.min(...heads)).toBe(30);
    await eventually(async () => expect((await crowd.counts(heads)).missing).toBe(0), { what: 'every log is whole' });
    expect(await crowd.counts(heads)).toMatchObject({ missing: 0, duplicated: 0, outOfOrder: 0 });
  } finally {
    await Promise.all([crowd.close(), neighbours.close()]);
  }
});
