import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import type { CrowdCounts } from './crowd/crowd.js';
import { CrowdProcess } from './crowd/crowd-process.js';
import { settled } from './latency.js';
import type { LiveTarget, LiveTargetName } from './live-target.js';
import { offerLive } from './offer.js';

/** What dies in the middle of the stream. */
export type LiveFault = 'kill -9 of a node' | 'Redis restarted';

/** What the members of a conversation had in the end, counted over all of them before any rule of a client. */
export interface LiveLoss extends Pick<CrowdCounts, 'missing' | 'membersWithGaps' | 'duplicated' | 'outOfOrder'> {
  readonly target: LiveTargetName;
  readonly fault: LiveFault;
  readonly members: number;
  readonly acknowledged: number;
}

const BEFORE_MS = 2_000;
const REDIS_AWAY_MS = 500;

/** Offers a steady stream, lets the fault happen two seconds into it, and counts when it is over. The sender's node stays. */
export const measureLoss = async (
  target: LiveTarget,
  redis: PrivateServer,
  fault: LiveFault,
  { members, perSecond, seconds }: { readonly members: number; readonly perSecond: number; readonly seconds: number },
): Promise<LiveLoss> => {
  const [conversation] = await target.makeConversations(1, members);
  if (conversation === undefined) throw new Error('no conversation was made');
  const count = perSecond * seconds;
  const crowd = await CrowdProcess.open(await target.crowdOf([conversation], { capacity: count }));
  const node = target.nodes.at(-1);
  try {
    const offering = offerLive(target, conversation, { count, perSecond });
    await sleep(BEFORE_MS);
    if (fault === 'kill -9 of a node') {
      await node?.kill();
    } else {
      await redis.kill();
      await sleep(REDIS_AWAY_MS);
      await redis.start();
    }
    const sent = await offering;
    await crowd.untilReady();
    await settled(crowd, sent.length * members);
    const { missing, membersWithGaps, duplicated, outOfOrder } = await crowd.counts([sent.length]);
    return { target: target.name, fault, members, acknowledged: sent.length, missing, membersWithGaps, duplicated, outOfOrder };
  } finally {
    await crowd.close();
    if (fault === 'kill -9 of a node') await node?.start();
  }
};
