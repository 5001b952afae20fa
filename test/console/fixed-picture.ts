import type { Page } from 'playwright-core';
import type { DeadLetter, DeadLetterDetail, DeadLetterOutcome } from '#lib/contracts/admin';
import type { AdminPicture, FlowSection, LiveQueue } from '#lib/contracts/admin-live';
import { queues } from '#lib/contracts/pipeline';
import type { z } from 'zod';
import type { RunningParley } from '#lib/testing/running-parley';

/** A night that is over: a screenshot shows the same times always, and no token has expired by then. */
const NIGHT = new Date('2026-01-15T03:00:00Z');

const ago = (seconds: number): string => new Date(NIGHT.getTime() - seconds * 1_000).toISOString();
const at = NIGHT.toISOString();
const PAUSED = 'embedding.messages';
const uuid = (number: number): string => `0198c1f2-7a3b-7c4d-9e5f-${String(700_000_000_000 + number * 7_919)}`;

/** Shows the room `picture` instead of what happens: one answer of the stream, which is then handed over and never cut. */
export async function showFixed(page: Page, picture: object): Promise<void> {
  await page.clock.setFixedTime(NIGHT);
  const goaway = { reason: 'too-old', retryInMs: 3_600_000 };
  const events = Object.entries({ ...picture, goaway }).map(([name, section]) => `event: ${name}\ndata: ${JSON.stringify(section)}\n\n`);
  await page.route('**/v1/admin/live', (route) => route.fulfill({ contentType: 'text/event-stream', body: events.join('') }));
}

/** The flow that a gateway sends: a change of the pipeline is a change of the picture. */
export async function flowOf(parley: RunningParley): Promise<z.infer<typeof FlowSection>> {
  const token = await parley.tokenOf({ user: 'olga', scopes: ['admin'] });
  const reading = new AbortController();
  const { body } = await fetch(`${parley.url}/v1/admin/live`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.any([reading.signal, AbortSignal.timeout(10_000)]),
  });
  let text = '';
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const [, data] = /event: flow\ndata: (.*)\n\n/.exec(text) ?? [];
    if (data === undefined) continue;
    reading.abort();
    return JSON.parse(data) as z.infer<typeof FlowSection>;
  }
  throw new Error('the stream ended before it sent its flow');
}

const rates: Readonly<Record<string, number>> = {
  'embedding.messages': 0,
  'delivery.messages': 84.6,
  'delivery.push': 11.2,
  'scoring.messages': 42.3,
  'scoring.conversations': 0.4,
};

const queueOf = (name: string): LiveQueue => ({
  name,
  ready: name === PAUSED ? 4_017 : 0,
  unacked: name === PAUSED ? 100 : 0,
  consumers: 2,
  paused: name === PAUSED,
  pausedSince: name === PAUSED ? ago(95) : null,
  oldestAgeSeconds: name === PAUSED ? 96 : 0,
  deadLetters: name === PAUSED ? 3 : 0,
  unknown: false,
  publishedPerSecond: name === PAUSED ? 42.3 : (rates[name] ?? 0),
  handledPerSecond: rates[name] ?? 0,
});

/** Chroma is away for a minute and a half, and three texts that its model does not take are dead letters. */
export const chromaIsAway: Omit<{ readonly [Name in keyof AdminPicture]: object }, 'flow' | 'latencies' | 'locks' | 'requests'> = {
  queues: { state: 'known', at, items: Object.keys(queues).map(queueOf) },
  processes: {
    state: 'known',
    at,
    measuredAt: at,
    items: ['gateway', 'realtime', 'embedding', 'delivery', 'scoring', 'ops'].map((service, i) => ({
      service,
      target: `http://${service}:3000/metrics`,
      ready: true,
      since: ago(7_200),
      startedAt: ago(7_260),
      workers: 1,
      memoryBytes: 118_000_000 + i * 9_000_000,
      memoryLimitBytes: 512_000_000,
      cpuCores: 0.1 + i / 20,
      loopLagMs: 11 + i,
    })),
  },
  dependencies: {
    state: 'known',
    at,
    status: 'degraded',
    items: ['postgres', 'rabbitmq', 'redis', 'chroma', 'embedder', 'llm', 'objectStore'].map((name, i) => ({
      name,
      status: name === 'chroma' ? 'down' : 'ok',
      latencyMs: i + 1,
      breaker: name === 'chroma' ? 'open' : 'closed',
      since: ago(name === 'chroma' ? 97 : 7_200),
      ...(name === 'chroma' ? { detail: 'ECONNREFUSED' } : {}),
    })),
    breakers: [
      { app: 'embedding', host: 'node-2', pid: 41, dependency: 'chroma', operation: 'upsert', state: 'open', since: ago(95) },
      { app: 'gateway', host: 'node-1', pid: 17, dependency: 'chroma', operation: 'query', state: 'half-open', since: ago(12) },
    ],
  },
  alerts: {
    state: 'known',
    at,
    environment: 'production',
    channels: ['Google Chat'],
    items: [
      {
        alert: 'DeadLetters',
        severity: 'P1',
        state: 'firing',
        labels: { queue: PAUSED },
        summary: `3 dead letters in ${PAUSED}`,
        since: ago(660),
        mutedBy: null,
        runbook: 'dead-letters.md',
      },
      {
        alert: 'QueuePaused',
        severity: 'P2',
        state: 'pending',
        labels: { queue: PAUSED },
        summary: `${PAUSED} is paused`,
        since: ago(95),
        mutedBy: 'BreakerOpen',
        runbook: 'queue-paused.md',
      },
    ],
    lastSent: [],
  },
  outbox: { state: 'known', at, pending: 2, isEstimate: false, oldestAgeSeconds: 0.03, parked: 0 },
  advice: { state: 'known', at, items: [] },
  consistency: { state: 'known', at, waiting: null, running: null, last: null },
  messages: {
    state: 'known',
    at,
    items: Array.from({ length: 8 }, (_, i) => ({
      id: uuid(90 - i),
      conversationId: uuid(900 + (i % 3)),
      seq: 90 - i,
      createdAt: ago(2 + i * 3),
      pipeline: { delivery: 'done', embedding: 'pending', scoring: 'done' },
    })),
  },
};

const letters: readonly DeadLetter[] = [1, 2, 3].map((number) => ({
  id: uuid(number),
  queue: PAUSED,
  type: 'message.created',
  conversationId: uuid(900),
  errorClass: 'TextRejected',
  error: 'the embedder does not take this text',
  attempts: 3,
  firstFailedAt: ago(700 + number * 20),
  lastFailedAt: ago(690 + number * 20),
  traceId: '0af7651916cd43dd8448eb211c80319c',
  replays: number === 1 ? 3 : 0,
  replayedAt: number === 1 ? ago(900) : null,
  sizeBytes: 371 + number,
}));

const detail: DeadLetterDetail = {
  ...(letters[1] as DeadLetter),
  payloadEncoding: 'json',
  payload: {
    eventId: uuid(2),
    type: 'message.created',
    occurredAt: ago(745),
    conversationId: uuid(900),
    data: { messageId: uuid(12), senderId: 'alice', seq: 12, content: '\uFFFD\uFFFD\uFFFD' },
  },
  headers: { 'x-attempt': 3, 'x-error-class': 'TextRejected' },
};

const plan: DeadLetterOutcome = {
  queue: PAUSED,
  dryRun: true,
  done: 2,
  refused: [{ id: uuid(1), reason: 'was replayed 3 times and failed each time; use force when what it failed of is repaired' }],
  refusedCount: 1,
  diedAgain: null,
  notFound: [],
  items: letters.slice(1),
  remaining: 0,
  stoppedBy: null,
  next: null,
};

/** The dead letters of {@link chromaIsAway}, and what a replay of all of them would do. */
export async function showFixedLetters(page: Page): Promise<void> {
  const answer = (json: unknown) => ({ contentType: 'application/json', body: JSON.stringify(json) });
  await page.route('**/v1/admin/dead-letters?*', (route) => route.fulfill(answer({ items: letters, isComplete: true })));
  await page.route('**/v1/admin/dead-letters/0198*', (route) => route.fulfill(answer(detail)));
  await page.route('**/v1/admin/dead-letters/replay', (route) => route.fulfill(answer(plan)));
}
