import { afterEach, expect, it, vi } from 'vitest';
import { ApiError } from '../../shared/api.js';
import { AdminStream } from './admin-stream.js';

const TIMES = { firstWaitMs: 20, longestWaitMs: 50, silentMs: 200 };
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A gateway that answers each request as its turn says; the last turn stays. */
function reading(...turns: (() => Response | Error)[]) {
  let asked = 0;
  const stream = new AdminStream(async () => {
    const turn = turns[Math.min(asked, turns.length - 1)];
    asked += 1;
    const answer = turn?.() ?? new Error('no turn');
    if (answer instanceof Error) throw answer;
    return answer;
  }, TIMES);
  stops.push(stream.start());
  return { stream, status: () => stream.store.get().status, picture: () => stream.store.get().picture, asked: () => asked };
}

const section = (name: string, value: object) => `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
const open = (text: string) => () =>
  new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }));
const ended = (text: string) => () => new Response(text);

it('a picture stays while the stream is cut, which says since when, and is live again with the next one', async () => {
  const startedAt = Date.now();
  const { status, picture } = reading(
    ended(section('outbox', { pending: 1 }) + section('locks', { items: [] })),
    () => new ApiError('network', 'refused'),
    () => new ApiError('overloaded', 'too many streams'),
    open(section('outbox', { pending: 2 })),
  );

  await vi.waitFor(() => expect(status()).toMatchObject({ kind: 'stale' }), { interval: 2, timeout: 10_000 });
  const stale = status();
  expect(stale.kind === 'stale' && stale.since >= startedAt && stale.since <= Date.now()).toBe(true);
  expect(picture()).toEqual({ outbox: { pending: 1 }, locks: { items: [] } });

  await vi.waitFor(() => expect(status()).toEqual({ kind: 'live' }), { interval: 2, timeout: 10_000 });
  expect(picture()).toEqual({ outbox: { pending: 2 }, locks: { items: [] } });
});

it('a stream on which nothing comes is stale, though it is open', async () => {
  const { status } = reading(open(section('outbox', { pending: 1 })));
  await vi.waitFor(() => expect(status()).toMatchObject({ kind: 'stale', reason: 'silent' }), { interval: 10, timeout: 10_000 });
});

it('a stream that the gateway hands over is never stale', async () => {
  const seen = new Set<string>();
  const { stream, picture } = reading(
    ended(section('outbox', { pending: 1 }) + section('goaway', { reason: 'draining', retryInMs: 10 })),
    open(section('outbox', { pending: 2 })),
  );
  stream.store.subscribe(() => seen.add(stream.store.get().status.kind));
  await vi.waitFor(() => expect(picture()).toEqual({ outbox: { pending: 2 } }), { interval: 2, timeout: 10_000 });
  expect([...seen]).toEqual(['live']);
});

it('a refused token is not tried again', async () => {
  const { status, asked } = reading(() => new ApiError('forbidden', 'needs the scope admin', { status: 403 }));
  await vi.waitFor(() => expect(status()).toEqual({ kind: 'refused', code: 'forbidden' }), { interval: 2, timeout: 10_000 });
  expect(asked()).toBe(1);
});

it('a browser without a network says so at once and returns when it is asked to', async () => {
  const { stream, status } = reading(
    open(section('outbox', { pending: 1 })),
    () => new ApiError('network', 'offline'),
    open(section('outbox', { pending: 3 })),
  );
  await vi.waitFor(() => expect(status()).toEqual({ kind: 'live' }), { interval: 2, timeout: 10_000 });
  stream.cut();
  await vi.waitFor(() => expect(status()).toMatchObject({ kind: 'stale', reason: 'network' }), { interval: 2, timeout: 10_000 });
  await vi.waitFor(
    () => {
      stream.retryNow();
      expect(status()).toEqual({ kind: 'live' });
    },
    { interval: 2, timeout: 10_000 },
  );
});
