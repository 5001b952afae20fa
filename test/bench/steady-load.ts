import { Agent, request } from 'node:http';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Load, type LoadResult, loadResult, type Sender } from './load.js';

/**
 * Offers `perSecond` messages over at most `senders.length` connections, from people who know nothing of each other (exponential gaps), whatever
 * comes back. autocannon's rate will not do here: it sends what belongs to a second at once at its beginning, 500 in a tenth of a second.
 * Latency counts from the moment a message was due, so that neither a late server nor a late generator is excused.
 */
export const offerMessages = async ({
  baseUrl,
  senders,
  seconds,
  perSecond,
  content,
  body = () => ({ content: content() }),
}: Load & {
  readonly perSecond: number;
  /** What the sender of this number posts, where it is not a message. */
  readonly body?: (sender: number) => object;
}): Promise<LoadResult> => {
  const agent = new Agent({ keepAlive: true, maxSockets: senders.length });
  const latency = createHistogram();
  const failures: Record<string, number> = {};
  let okCount = 0;
  const send = async (sender: Sender, number: number, dueAt: number): Promise<void> => {
    const status = await statusOf(new URL(sender.path, baseUrl), agent, sender, body(number));
    if (status < 200 || status > 299) {
      failures[status] = (failures[status] ?? 0) + 1;
      return;
    }
    okCount += 1;
    latency.record(Math.max(1, Math.round((performance.now() - dueAt) * 1_000)));
  };
  const sent: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let dueAt = startedAt; dueAt < startedAt + seconds * 1_000; dueAt -= (Math.log(1 - Math.random()) * 1_000) / perSecond) {
    const earlyMs = dueAt - performance.now();
    if (earlyMs > 0) await sleep(earlyMs);
    const number = sent.length % senders.length;
    const sender = senders[number];
    if (sender !== undefined) sent.push(send(sender, number, dueAt));
  }
  await Promise.all(sent);
  agent.destroy();
  return loadResult(latency, { okCount, failures, seconds });
};

const ANSWER_WITHIN_MS = 20_000;

/** 0 = no answer. */
const statusOf = (url: URL, agent: Agent, { headers }: Sender, sent: object): Promise<number> =>
  new Promise((resolve) => {
    const body = JSON.stringify(sent);
    const post = request(url, {
      method: 'POST',
      agent,
      timeout: ANSWER_WITHIN_MS,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    post.once('timeout', () => post.destroy());
    post.on('error', () => resolve(0));
    post.once('response', (answer) => {
      answer.resume();
      // Not 'end', which never comes when the connection breaks in the middle of the answer.
      answer.once('close', () => resolve(answer.complete ? (answer.statusCode ?? 0) : 0));
    });
    post.end(body);
  });
