import { afterAll, describe, expect, it } from 'vitest';
import { SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { hostileTexts } from '#lib/testing/hostile-texts';
import { loopHoldDuring } from '#lib/testing/loop-hold';
import { InlineTextWork } from './inline-text-work.js';
import { PooledTextWork } from './pooled-text-work.js';
import { CachedTokenCounter } from './cached-token-counter.js';

const hostile = hostileTexts({ seed: 3 }).filter(({ isAccepted }) => isAccepted);
const texts = hostile.map(({ text }) => text);
const QUERY = 'coffee mot hai ba';

const logger = createLogger('test', 'fatal');

// One for all tests but the last: each would load the vocabulary anew.
const work = new PooledTextWork(1, logger);
afterAll(() => work.close());

describe('text work in threads', () => {
  it('gives what the same work gives in place', async () => {
    const inline = new InlineTextWork();
    const some = texts.slice(0, 5);
    const many = Array.from({ length: 20 }, (_, i) => `${'x '.repeat(6_000)} coffee ${i}`);
    expect(await work.excerpts('alice', 'coffee', many)).toEqual(await inline.excerpts('alice', 'coffee', many));
    expect(await work.excerpts('alice', QUERY, some)).toEqual(await inline.excerpts('alice', QUERY, some));
    expect(await work.overlap('alice', QUERY, some)).toEqual(await inline.overlap('alice', QUERY, some));
    expect(await work.tokens('alice', ['xin chào', 'a'], 100)).toEqual(await inline.tokens('alice', ['xin chào', 'a'], 100));
  });

  it('lets the event loop turn while it works through the worst texts of several callers', { timeout: 60_000 }, async () => {
    await work.tokens('alice', ['load the vocabulary'], 10);
    const counter = new CachedTokenCounter(work);
    const messagesOf = (caller: string) => texts.slice(0, 12).map((content, i) => ({ id: `${caller}${i}`, version: 1, content }));
    const long = Array.from({ length: 50 }, () => 'the quick brown fox '.repeat(800));
    const all = (caller: string) => [
      counter.count(messagesOf(caller), 200_000, caller),
      work.excerpts(caller, QUERY, long),
      work.excerpts(caller, QUERY, texts),
      work.overlap(caller, QUERY, texts),
    ];
    const hold = await loopHoldDuring(() => Promise.all(['alice', 'bob', 'carol', 'dave'].flatMap(all)));
    // In place it is a second and more without a turn of the loop; now it is a few milliseconds.
    expect(hold.p99Ms).toBeLessThan(250);
    expect(hold.maxMs).toBeLessThan(700);
  });

  it('serves callers in turn: one with many jobs does not stand before another with one', { timeout: 30_000 }, async () => {
    const done: string[] = [];
    const job = async (caller: string) => {
      await work.tokens(caller, ['漢字'.repeat(1_000)], 1_000_000);
      done.push(caller);
    };
    await Promise.all([...Array.from({ length: 40 }, () => job('alice')), job('bob')]);
    expect(done.indexOf('bob')).toBeLessThanOrEqual(2);
  });

  it('refuses a caller with too much waiting, and no other', { timeout: 30_000 }, async () => {
    const jobs = Array.from({ length: 70 }, () => work.tokens('alice', ['a'], 1));
    const other = work.tokens('bob', ['a'], 1);
    const outcomes = await Promise.allSettled(jobs);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.length).toBe(5);
    expect(refused[0]?.reason).toBeInstanceOf(SemaphoreFull);
    expect(await other).toEqual([1]);
  });

  it('gives up waiting at the deadline of the request, and works on for others', { timeout: 30_000 }, async () => {
    await work.tokens('alice', ['a'], 1);
    const running = work.tokens(
      'alice',
      hostileTexts({ seed: 4 }).map(({ text }) => text),
      10_000_000,
    );
    const late = withDeadline(1, () => work.tokens('bob', ['a'], 1));
    await expect(late).rejects.toBeInstanceOf(DeadlineExceeded);
    expect((await metrics.workerPoolQueued.get()).values.find(({ labels }) => labels['pool'] === 'text')?.value).toBe(0);
    await running;
    expect(await work.tokens('bob', ['a'], 1)).toEqual([1]);
  });

  it('ends with its threads, and what waits is refused', async () => {
    const ending = new PooledTextWork(1, logger);
    const outcomes = Promise.allSettled([1, 2, 3].map(() => ending.tokens('alice', ['a'], 1)));
    await ending.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await expect(ending.tokens('alice', ['a'], 1)).rejects.toBeInstanceOf(SemaphoreFull);
    expect(process.getActiveResourcesInfo().filter((name) => name === 'MessagePort')).toEqual([]);
  });
});
