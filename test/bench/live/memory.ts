import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import { collectGarbage } from '../allocations.js';
import { CrowdProcess } from './crowd/crowd-process.js';
import type { LiveTarget, LiveTargetName } from './live-target.js';

/** What an idle socket costs the process that holds it, in resident memory after a garbage collection. */
export interface LiveMemory {
  readonly target: LiveTargetName;
  readonly sockets: number;
  readonly bytesPerSocket: number;
  readonly residentMiB: number;
  /** Before the first socket. */
  readonly emptyMiB: number;
}

const MEMBERS = 1_000;
/** Longer than the work after a connection takes. */
const QUIET_MS = 2_000;

/** Opens idle sockets of as many users, step by step, on the last node, which is started anew for it. */
export const measureMemory = async (target: LiveTarget, steps: readonly number[]): Promise<LiveMemory[]> => {
  const node = target.nodes.at(-1);
  if (node === undefined) throw new Error('there is no node');
  await node.restart();
  const emptyBytes = await settledBytes(node);
  const crowds: CrowdProcess[] = [];
  const figures: LiveMemory[] = [];
  let opened = 0;
  try {
    for (const sockets of steps) {
      const conversations = await target.makeConversations(Math.ceil((sockets - opened) / MEMBERS), MEMBERS);
      crowds.push(await CrowdProcess.open(await target.crowdOf(conversations, { capacity: 1, firstNode: target.nodes.length - 1 })));
      opened += conversations.length * MEMBERS;
      const bytes = await settledBytes(node);
      figures.push({
        target: target.name,
        sockets: opened,
        bytesPerSocket: Math.round((bytes - emptyBytes) / opened),
        residentMiB: Math.round(bytes / 2 ** 20),
        emptyMiB: Math.round(emptyBytes / 2 ** 20),
      });
    }
  } finally {
    await Promise.all(crowds.map((crowd) => crowd.close()));
  }
  return figures;
};

const settledBytes = async ({ pid, logFile }: PrivateServer): Promise<number> => {
  if (pid === undefined) throw new Error('the node is down');
  await sleep(QUIET_MS);
  await collectGarbage(pid, logFile);
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1_024;
};
