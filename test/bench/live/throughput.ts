import { cpuMicrosOf } from '../process-cost.js';
import { CrowdProcess } from './crowd/crowd-process.js';
import { settled, shareOf } from './latency.js';
import type { LiveTarget, LiveTargetName } from './live-target.js';
import { sendAll } from './offer.js';

/** Frames out of one process that holds all sockets of a conversation. */
export interface LiveThroughput {
  readonly target: LiveTargetName;
  readonly members: number;
  readonly messages: number;
  /** From the first frame that a member got to the last one. */
  readonly framesPerSecond: number;
  /** CPU time of the process that holds the sockets. */
  readonly cpuMicrosPerFrame: number;
  readonly missing: number;
  readonly generatorShare: number;
}

/** Not measured. */
const WARM_UP = 30;

/** Sends messages as fast as they are acknowledged to a conversation whose members are all on the first node. */
export const measureThroughput = async (
  target: LiveTarget,
  { members, messages }: { readonly members: number; readonly messages: number },
): Promise<LiveThroughput> => {
  const [conversation, warmUp] = await target.makeConversations(2, members);
  if (conversation === undefined || warmUp === undefined) throw new Error('no conversation was made');
  await runOn(target, warmUp, WARM_UP);
  return runOn(target, conversation, messages);
};

const runOn = async (
  target: LiveTarget,
  conversation: { id: string; userIds: readonly string[] },
  messages: number,
): Promise<LiveThroughput> => {
  const members = conversation.userIds.length;
  const crowd = await CrowdProcess.open(await target.crowdOf([conversation], { capacity: messages, firstNode: 0 }));
  try {
    const node = { pid: target.nodes[0]?.pid };
    const before = await crowd.state();
    const cpuBefore = cpuMicrosOf(node);
    await sendAll(target, conversation, { count: messages });
    await settled(crowd, messages * members);
    const cpu = cpuMicrosOf(node) - cpuBefore;
    const after = await crowd.state();
    const [log] = await crowd.logs();
    const frames = log?.counts.reduce((sum, count) => sum + count, 0) ?? 0;
    const firstAt = Math.min(...(log?.firstAt ?? []).filter((at) => at > 0));
    const lastAt = Math.max(...(log?.lastAt ?? []));
    return {
      target: target.name,
      members,
      messages,
      framesPerSecond: Math.round((frames / (lastAt - firstAt)) * 1_000),
      cpuMicrosPerFrame: Math.round((cpu / frames) * 10) / 10,
      missing: messages * members - frames,
      generatorShare: shareOf(before, after, lastAt - firstAt),
    };
  } finally {
    await crowd.close();
  }
};
