import { eventually } from '#lib/testing/eventually';
import { percentilesOf, type Percentiles } from '#lib/testing/percentiles';
import type { CrowdCounts } from './crowd/crowd.js';
import { CrowdProcess } from './crowd/crowd-process.js';
import type { LiveTarget } from './live-target.js';
import { sendAll } from './offer.js';

/** All clients of a node that was killed come to the other one at once, each with messages that it missed. Milliseconds from that moment. */
export interface ResumeStorm extends Pick<CrowdCounts, 'missing' | 'duplicated' | 'outOfOrder'> {
  readonly clients: number;
  readonly behind: number;
  /** Until `resumed`. */
  readonly resumed: Percentiles;
  /** Until every missed message was there. */
  readonly whole: Percentiles;
  readonly triesFailed: number;
}

const MEMBERS = 100;
const RESUMED_WITHIN_MS = 60_000;

/** Kills the last node with all clients on it, sends what they miss, lets them go to the others, and starts the node again. */
export const measureStorm = async (
  target: LiveTarget,
  { clients, behind }: { readonly clients: number; readonly behind: number },
): Promise<ResumeStorm> => {
  const node = target.nodes.at(-1);
  const conversations = await target.makeConversations(clients / MEMBERS, MEMBERS);
  const crowd = await CrowdProcess.open(await target.crowdOf(conversations, { capacity: 2 * behind, firstNode: target.nodes.length - 1 }));
  try {
    await crowd.holdBack();
    await node?.kill();
    for (const conversation of conversations) await sendAll(target, conversation, { count: behind });
    await crowd.letGo(behind);
    await eventually(
      async () => {
        const { wholeMs } = await crowd.comeback();
        if (wholeMs.length < clients) throw new Error(`${wholeMs.length} of ${clients} clients have everything`);
      },
      { timeoutMs: RESUMED_WITHIN_MS, everyMs: 100, what: 'every client has resumed' },
    );
    const { readyMs, wholeMs, triesFailed } = await crowd.comeback();
    const { missing, duplicated, outOfOrder } = await crowd.counts(conversations.map(() => behind));
    return {
      clients,
      behind,
      resumed: percentilesOf(readyMs),
      whole: percentilesOf(wholeMs),
      missing,
      duplicated,
      outOfOrder,
      triesFailed,
    };
  } finally {
    await crowd.close();
    await node?.start();
  }
};
