import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { percentile } from '#lib/testing/percentiles';
import type { RunningParley } from '#lib/testing/running-parley';
import { machineMs } from './crowd/clock.js';
import { CrowdProcess } from './crowd/crowd-process.js';
import { settled } from './latency.js';
import type { LiveTarget } from './live-target.js';
import { offerLive } from './offer.js';

/** Where a message was when, in milliseconds after its sender had the answer (before it: negative). */
export interface LiveStage {
  readonly stage: 'event in RabbitMQ' | 'signal in Redis' | 'first socket' | 'last socket';
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const TIMEOUT_MS = 10_000;
/** The seq of a signal; that of the frame inside it is escaped. */
const SIGNAL_SEQ = /[^\\]"seq":(\d+)/g;

/** Listens with a queue and a subscription of its own on the way between the answer and the sockets. */
export const measureStages = async (
  parley: RunningParley,
  redisUrl: string,
  target: LiveTarget,
  { members, perSecond, seconds }: { readonly members: number; readonly perSecond: number; readonly seconds: number },
): Promise<LiveStage[]> => {
  const [conversation] = await target.makeConversations(1, members);
  if (conversation === undefined) throw new Error('no conversation was made');
  const count = perSecond * seconds;
  const events = await listenToEvents(parley.rabbitmqUrl);
  const signals = await listenToSignals(redisUrl, conversation.id);
  const crowd = await CrowdProcess.open(await target.crowdOf([conversation], { capacity: count }));
  try {
    const sent = await offerLive(target, conversation, { count, perSecond });
    await settled(crowd, sent.length * members);
    const [log] = await crowd.logs();
    const stage = (name: LiveStage['stage'], at: (seq: number) => number | undefined): LiveStage => {
      const waits = sent.flatMap(({ seq, ackAt }) => {
        const then = at(seq);
        return then === undefined || then === 0 ? [] : [then - ackAt];
      });
      const of = (share: number) => Math.round((percentile(waits, share) ?? Number.NaN) * 10) / 10;
      return { stage: name, p50Ms: of(0.5), p95Ms: of(0.95) };
    };
    return [
      stage('event in RabbitMQ', (seq) => events.seen.get(seq)),
      stage('signal in Redis', (seq) => signals.seen.get(seq)),
      stage('first socket', (seq) => log?.firstAt[seq]),
      stage('last socket', (seq) => log?.lastAt[seq]),
    ];
  } finally {
    await Promise.all([crowd.close(), events.close()]);
    signals.close();
  }
};

const listenToEvents = async (rabbitmqUrl: string) => {
  const seen = new Map<number, number>();
  const connection = await connect(rabbitmqUrl, { timeout: TIMEOUT_MS });
  connection.on('error', () => undefined); // the figures then lack this stage
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true });
  await channel.bindQueue(queue, 'parley.events', 'message.created');
  await channel.consume(
    queue,
    (message) => {
      const event = JSON.parse(message?.content.toString() ?? '{}') as { data?: { seq: number } };
      if (event.data !== undefined) seen.set(event.data.seq, machineMs());
    },
    { noAck: true },
  );
  return { seen, close: () => connection.close() };
};

const listenToSignals = async (redisUrl: string, conversationId: string) => {
  const seen = new Map<number, number>();
  const redis = new Redis(redisUrl, { connectTimeout: TIMEOUT_MS });
  redis.on('error', () => undefined); // the figures then lack this stage
  redis.on('smessage', (_channel: string, text: string) => {
    const at = machineMs();
    for (const [, seq] of text.matchAll(SIGNAL_SEQ)) if (!seen.has(Number(seq))) seen.set(Number(seq), at);
  });
  await redis.ssubscribe(`parley:live:conversation:{${conversationId}}`);
  return { seen, close: () => redis.disconnect() };
};
