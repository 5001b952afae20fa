import { setTimeout as sleep } from 'node:timers/promises';
import { chatText } from '../text.js';
import type { LiveConversation, LiveTarget, Sent } from './live-target.js';

/** Offers `perSecond` messages (exponential gaps, whatever comes back) until `count` are sent. @returns those that were acknowledged. */
export const offerLive = async (
  target: LiveTarget,
  conversation: LiveConversation,
  { count, perSecond, from = 1 }: { readonly count: number; readonly perSecond: number; readonly from?: number },
): Promise<Sent[]> => {
  const sending: Promise<Sent | undefined>[] = [];
  let dueAt = performance.now();
  for (let seq = from; seq < from + count; seq += 1) {
    const earlyMs = dueAt - performance.now();
    if (earlyMs > 0) await sleep(earlyMs);
    sending.push(target.send(conversation, seq, chatText()).catch(() => undefined));
    dueAt -= (Math.log(1 - Math.random()) * 1_000) / perSecond;
  }
  return (await Promise.all(sending)).filter((sent) => sent !== undefined);
};

/** Sends `count` messages as fast as answers come, `atOnce` at a time. @throws when one is not acknowledged. */
export const sendAll = async (
  target: LiveTarget,
  conversation: LiveConversation,
  { count, atOnce = 8 }: { readonly count: number; readonly atOnce?: number },
): Promise<Sent[]> => {
  const sent: Sent[] = [];
  let next = 1;
  const work = async () => {
    while (next <= count) {
      const seq = next;
      next += 1;
      sent.push(await target.send(conversation, seq, chatText()));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return sent;
};
