import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '#lib/testing/percentiles';
import type { CrowdState } from './crowd/orders.js';
import { CrowdProcess } from './crowd/crowd-process.js';
import type { LiveTarget, LiveTargetName } from './live-target.js';
import { offerLive } from './offer.js';

/** Time from the answer to the sender until the last member's socket had the message, in milliseconds. */
export interface LiveLatency {
  readonly target: LiveTargetName;
  readonly members: number;
  readonly offeredPerSecond: number;
  readonly messages: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Until the first member had it. */
  readonly firstP50Ms: number;
  /** Deliveries that never came. */
  readonly missing: number;
  /** Share of a core that the load generator used. */
  readonly generatorShare: number;
}

/** Longer than Parley takes to find a hole by itself, two seconds. */
const QUIET_MS = 3_000;
/** Not measured: what processes that have just started compile. */
const WARM_UP = { count: 40, perSecond: 40 };

/** Offers messages to one conversation, all of whose members have a socket, half of them on each node. */
export const measureLatency = async (
  target: LiveTarget,
  { members, perSecond, seconds }: { readonly members: number; readonly perSecond: number; readonly seconds: number },
): Promise<LiveLatency> => {
  const [conversation] = await target.makeConversations(1, members);
  if (conversation === undefined) throw new Error('no conversation was made');
  const count = Math.round(perSecond * seconds);
  const crowd = await CrowdProcess.open(await target.crowdOf([conversation], { capacity: count + WARM_UP.count }));
  try {
    await offerLive(target, conversation, WARM_UP);
    await settled(crowd, WARM_UP.count * members);
    const before = await crowd.state();
    const startedAt = performance.now();
    const sent = await offerLive(target, conversation, { count, perSecond });
    await settled(crowd, (WARM_UP.count + sent.length) * members);
    const generatorShare = shareOf(before, await crowd.state(), performance.now() - startedAt);
    const [log] = await crowd.logs();
    const waits = sent.map(({ seq, ackAt }) => ({
      first: (log?.firstAt[seq] ?? 0) - ackAt,
      last: (log?.lastAt[seq] ?? 0) - ackAt,
      count: log?.counts[seq] ?? 0,
    }));
    const whole = waits.filter((wait) => wait.count === members);
    const at = (share: number) =>
      rounded(
        percentile(
          whole.map(({ last }) => last),
          share,
        ),
      );
    return {
      target: target.name,
      members,
      offeredPerSecond: perSecond,
      messages: sent.length,
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      firstP50Ms: rounded(
        percentile(
          whole.map(({ first }) => first),
          0.5,
        ),
      ),
      missing: waits.reduce((sum, wait) => sum + members - wait.count, 0),
      generatorShare,
    };
  } finally {
    await crowd.close();
  }
};

/** Share of one core between two looks. */
export const shareOf = (before: CrowdState, after: CrowdState, ms: number): number =>
  Math.round((after.cpuMicros - before.cpuMicros) / ms / 10) / 100;

/** Waits until `deliveries` have come in all, or nothing has come for three seconds: what is missing then will not come. */
export const settled = async (crowd: CrowdProcess, deliveries: number): Promise<void> => {
  let most = 0;
  for (let until = performance.now() + QUIET_MS; performance.now() < until; ) {
    const logs = await crowd.logs();
    const came = logs.reduce((sum, { counts }) => sum + counts.reduce((a, b) => a + b, 0), 0);
    if (came >= deliveries) return;
    if (came > most) until = performance.now() + QUIET_MS;
    most = came;
    await sleep(50);
  }
};

const rounded = (ms: number | undefined): number => Math.round((ms ?? Number.NaN) * 10) / 10;
