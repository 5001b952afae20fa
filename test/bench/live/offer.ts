import { setTimeout as sleep } from 'node:timers/promises';
import { chatText } from '../text.js';
import type { LiveConversation, LiveTarget, Sent } from './live-target.js';

/** Offers `perSecond` messages (exponential gaps, whatever comes back) until `count` are sent. @returns those that were acknowledged. */
export const offerLive = async (
  target: LiveTarget,
  conversation: LiveConversation,
  { count, perSecond }: { readonly count: number; readonly perSecond: number },
): Promise<Sent[]> => {
  const sending: Promise<Sent | undefined>[] = [];
  let dueAt = performance.now();
  for (let offered = 0; offered < count; offered += 1) {
    const earlyMs = dueAt - performance.now();
    if (earlyMs > 0) await sleep(earlyMs);
    sending.push(target.send(conversation, chatText()).catch(() => undefined));
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
  let begun = 0;
  const work = async () => {
    while (begun < count) {
      begun += 1;
      sent.push(await target.send(conversation, chatText()));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return sent;
};
