import { setImmediate as nextTurn } from 'node:timers/promises';
import { register } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runInContext } from '#lib/runtime/log/context';
import { beginWork } from '#lib/runtime/work/work-registry';
import { createBreakers } from '../adapters/opossum-breaker.js';
import type { Breakers } from './breakers.js';
import { withDeadline } from './deadline.js';
import { type CallPolicy, DependencyCall } from './dependency-call.js';
import { DeadlineExceeded, DependencyError } from './errors.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] });
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const chroma = (policy: Partial<CallPolicy> = {}, breakers: Breakers = createBreakers()): DependencyCall =>
  new DependencyCall({ dependency: 'chroma', operation: 'query', timeoutMs: 2_000, ...policy }, breakers);

const never = (): Promise<never> => new Promise(() => undefined);
const refused = (): Promise<never> => Promise.reject(new Error('connect ECONNREFUSED'));
const answer = (): Promise<string> => Promise.resolve('answer');

/** How a promise ended, as a value, so that time can be moved while it is pending. */
const ending = <T>(promise: Promise<T>): Promise<T | Error> => promise.catch((error: Error) => error);

const inTime = async <T>(ms: number, promise: Promise<T>): Promise<T | Error> => {
  const end = ending(promise);
  await vi.advanceTimersByTimeAsync(ms);
  return Promise.race([end, nextTurn(new Error(`still pending after ${ms} ms`))]);
};

const failure = (kind: DependencyError['kind']): unknown => expect.objectContaining({ name: 'DependencyError', kind });

const breakOpen = async (call: DependencyCall): Promise<void> => {
  for (let time = 0; time < 5; time += 1) await ending(call.run(refused));
  expect(call.state).toBe('open');
};

const halfOpen = async (call: DependencyCall): Promise<void> => {
  await breakOpen(call);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(call.state).toBe('half-open');
};

const countOf = async (metric: string, labels: Record<string, string>): Promise<number> => {
  const { values } = (await register.getSingleMetric(metric)?.get()) ?? { values: [] };
  const name = metric.endsWith('_seconds') ? `${metric}_count` : metric;
  const found = values.find(
    (value) =>
      (!('metricName' in value) || value.metricName === name) &&
      Object.entries(labels).every(([label, text]) => (value.labels as Record<string, unknown>)[label] === text),
  );
  return found?.value ?? 0;
};

describe('one attempt', () => {
  it('gives the result of the action and leaves no timer behind', async () => {
    const call = chroma();
    const timers = vi.getTimerCount();

    expect(await call.run(answer)).toBe('answer');

    expect(vi.getTimerCount()).toBe(timers);
  });

  it('settles at its limit although the action ignores its signal', async () => {
    const end = await inTime(2_000, chroma().run(never));

    expect(end).toEqual(failure('timeout'));
  });

  it('tells the action when its time is over', async () => {
    let signal: AbortSignal | undefined;
    const run = chroma().run((given) => {
      signal = given;
      return never();
    });

    await inTime(2_000, run);

    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toEqual(failure('timeout'));
  });

  it('says timeout even when the action turns its signal into an error of its own', async () => {
    const run = chroma({ isItsFault: () => false }).run(
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('AbortError')))),
    );

    expect(await inTime(2_000, run)).toEqual(failure('timeout'));
  });

  it('swallows the failure of an action whose time was over', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const { promise, reject } = Promise.withResolvers<never>();
    await inTime(
      2_000,
      chroma().run(() => promise),
    );

    reject(new Error('too late'));
    await nextTurn();
    await nextTurn();

    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('has a signal of its own: the timeout of one call aborts no other', async () => {
    const call = chroma();
    const signals: AbortSignal[] = [];
    const remember = (signal: AbortSignal) => {
      signals.push(signal);
      return never();
    };
    const first = ending(call.run(remember));
    await vi.advanceTimersByTimeAsync(1_000);
    const second = ending(call.run(remember));

    await vi.advanceTimersByTimeAsync(1_000);
    await first;

    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(1_000);
    await second;
    await call.run((signal) => {
      expect(signal.aborted).toBe(false);
      return answer();
    });
  });

  it('treats an action that throws before it returns a promise like one that rejects', async () => {
    const end = await ending(
      chroma().run(() => {
        throw new Error('broken');
      }),
    );

    expect(end).toEqual(failure('unavailable'));
  });

  it('keeps the cause of a failure', async () => {
    const cause = new Error('connect ECONNREFUSED');

    const end = await ending(chroma().run(() => Promise.reject(cause)));

    expect(end).toMatchObject({ dependency: 'chroma', operation: 'query', kind: 'unavailable', cause });
  });
});

describe('errors that are not the fault of the dependency', () => {
  const notFound = new Error('404');
  const policy = { isItsFault: (error: unknown) => error !== notFound };

  it('are rethrown as they are and never open the breaker', async () => {
    const call = chroma(policy);

    for (let time = 0; time < 20; time += 1) {
      await expect(call.run(() => Promise.reject(notFound))).rejects.toBe(notFound);
    }

    expect(call.state).toBe('closed');
  });

  it('do not close a half-open breaker by themselves: a second answer must agree', async () => {
    const call = chroma(policy);
    await halfOpen(call);

    await expect(call.run(() => Promise.reject(notFound))).rejects.toBe(notFound);

    expect(call.state).toBe('half-open');
    await call.run(answer);
    expect(call.state).toBe('closed');
  });

  it('are not retried', async () => {
    const action = vi.fn(() => Promise.reject(notFound));

    await ending(chroma({ ...policy, attempts: 3 }).run(action));

    expect(action).toHaveBeenCalledOnce();
  });
});

describe('an adapter that knows better what went wrong', () => {
  it('is believed that our own pool was full: that is not the fault of the dependency', async () => {
    const call = chroma();
    const poolIsFull = new DependencyError('chroma', 'query', 'overloaded');

    for (let time = 0; time < 20; time += 1) await expect(call.run(() => Promise.reject(poolIsFull))).rejects.toBe(poolIsFull);

    expect(call.state).toBe('closed');
  });

  it('is believed that its driver timed out', async () => {
    const call = chroma();
    const timeout = new DependencyError('chroma', 'query', 'timeout');

    for (let time = 0; time < 5; time += 1) await expect(call.run(() => Promise.reject(timeout))).rejects.toBe(timeout);

    expect(call.state).toBe('open');
  });
});

describe('the breaker of a call', () => {
  it('refuses at once while it is open, says when to come back, and does not touch the dependency', async () => {
    const call = chroma();
    await breakOpen(call);
    const action = vi.fn(answer);

    const end = await ending(call.run(action));

    expect(end).toMatchObject({ kind: 'open', retryAfterMs: 10_000, wasTried: false });
    expect(action).not.toHaveBeenCalled();
  });

  it('opens on timeouts', async () => {
    const call = chroma();

    await inTime(2_000, Promise.all(Array.from({ length: 5 }, () => ending(call.run(never)))));

    expect(call.state).toBe('open');
  });

  it('heals by itself: two healthy calls after the reset time', async () => {
    const call = chroma();
    await halfOpen(call);

    await call.run(answer);
    await call.run(answer);

    expect(call.state).toBe('closed');
  });

  it('cannot stay half-open for ever because a trial hangs', async () => {
    const call = chroma();
    await halfOpen(call);

    await inTime(2_000, call.run(never));

    expect(call.state).toBe('open');
  });

  it('counts successes that are slower than slowMs as failures, and still gives their results', async () => {
    const call = chroma({ slowMs: 500 });
    const slowly = () => new Promise((resolve) => setTimeout(resolve, 501, 'late answer'));

    const ends = await inTime(501, Promise.all(Array.from({ length: 5 }, () => call.run(slowly))));

    expect(ends).toEqual(Array(5).fill('late answer'));
    expect(call.state).toBe('open');
  });

  it('is shared by all calls of the same operation, and by no others', async () => {
    const breakers = createBreakers();
    const [one, same, other] = [chroma({}, breakers), chroma({}, breakers), chroma({ operation: 'upsert' }, breakers)];

    await breakOpen(one);

    expect([same.state, other.state]).toEqual(['open', 'closed']);
  });

  it('remembers no error: the next call asks again', async () => {
    const call = chroma();
    await ending(call.run(refused));

    expect(await call.run(answer)).toBe('answer');
  });
});

describe("the caller's deadline", () => {
  it('cuts a call short and fires its signal', async () => {
    let signal: AbortSignal | undefined;
    const run = withDeadline(500, () =>
      chroma().run((given) => {
        signal = given;
        return never();
      }),
    );

    const end = await inTime(500, run);

    expect(end).toBeInstanceOf(Error);
    expect(signal?.aborted).toBe(true);
  });

  it('is a timeout of unknown outcome for the one who made the call', async () => {
    const seen: unknown[] = [];
    const run = withDeadline(500, async () => {
      seen.push(await ending(chroma().run(never)));
    });

    await inTime(500, run);

    expect(seen).toEqual([failure('timeout')]);
    expect(seen[0]).toMatchObject({ cause: expect.any(DeadlineExceeded) });
  });

  it('is not held against the dependency', async () => {
    const call = chroma();

    await inTime(500, Promise.all(Array.from({ length: 20 }, () => ending(withDeadline(500, () => call.run(never))))));

    expect(call.state).toBe('closed');
  });

  it('leaves room for the next trial when it cuts one short', async () => {
    const call = chroma();
    await halfOpen(call);
    await inTime(
      500,
      withDeadline(500, () => call.run(never)),
    );

    expect(await call.run(answer)).toBe('answer');
  });

  it('refuses a call for which no time is left, without making it', async () => {
    const action = vi.fn(answer);
    let end: unknown;
    const run = withDeadline(500, async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      end = await ending(chroma().run(action));
    });

    await inTime(600, run);

    expect(end).toBeInstanceOf(DeadlineExceeded);
    expect(action).not.toHaveBeenCalled();
  });

  it('ends the wait for a place', async () => {
    const call = chroma({ bulkhead: { concurrent: 1, queued: 1 } });
    const running = ending(call.run(never));
    let end: unknown;

    const run = withDeadline(500, async () => {
      end = await ending(call.run(answer));
    });
    await inTime(500, run);

    expect(end).toBeInstanceOf(DeadlineExceeded);
    await vi.advanceTimersByTimeAsync(2_000);
    await running;
  });
});

describe('a limit of calls in flight', () => {
  it('refuses what is too much, and being busy is not being broken', async () => {
    const call = chroma({ bulkhead: { concurrent: 2, queued: 0 } });
    const running = [ending(call.run(never)), ending(call.run(never))];

    const ends = await Promise.all(Array.from({ length: 20 }, () => ending(call.run(answer))));

    expect(ends).toEqual(Array(20).fill(failure('overloaded')));
    expect(call.state).toBe('closed');
    await vi.advanceTimersByTimeAsync(2_000);
    await Promise.all(running);
  });

  it('sends away those who wait as soon as the breaker opens', async () => {
    const breakers = createBreakers();
    const call = chroma({ bulkhead: { concurrent: 1, queued: 3 } }, breakers);
    const running = ending(call.run(never));
    const waiting = Array.from({ length: 3 }, () => ending(call.run(answer)));

    await breakOpen(chroma({}, breakers));

    expect(await Promise.all(waiting)).toEqual(Array(3).fill(failure('open')));
    await vi.advanceTimersByTimeAsync(2_000);
    await running;
  });

  it('queues no call while the breaker is open', async () => {
    const breakers = createBreakers();
    const call = chroma({ bulkhead: { concurrent: 1, queued: 3 } }, breakers);
    const running = ending(call.run(never));
    await breakOpen(chroma({}, breakers));

    expect(await ending(call.run(answer))).toEqual(failure('open'));
    await vi.advanceTimersByTimeAsync(2_000);
    await running;
  });

  it('gives its place back when a call times out', async () => {
    const call = chroma({ bulkhead: { concurrent: 1, queued: 0 } });
    await inTime(2_000, call.run(never));

    expect(await call.run(answer)).toBe('answer');
  });
});

describe('retries', () => {
  const patient = { attempts: 3, backoff: { baseMs: 100, capMs: 1_000 } };

  it('try again after the backoff and give the first result', async () => {
    const action = vi.fn<() => Promise<string>>().mockImplementationOnce(refused).mockImplementation(answer);

    expect(await inTime(100, chroma(patient).run(action))).toBe('answer');
    expect(action).toHaveBeenCalledTimes(2);
  });

  it('end after the attempts of the policy, and after three in any case', async () => {
    const action = vi.fn(refused);

    const end = await inTime(10_000, chroma({ ...patient, attempts: 9 }).run(action));

    expect(action).toHaveBeenCalledTimes(3);
    expect(end).toEqual(failure('unavailable'));
  });

  it('do not happen without being asked for', async () => {
    const action = vi.fn(refused);

    await ending(chroma().run(action));

    expect(action).toHaveBeenCalledOnce();
  });

  it('wait as long as the dependency asks', async () => {
    const busy = Object.assign(new Error('429'), { retryAfterMs: 700 });
    const action = vi
      .fn<() => Promise<string>>()
      .mockImplementationOnce(() => Promise.reject(busy))
      .mockImplementation(answer);
    const run = ending(chroma(patient).run(action));

    await vi.advanceTimersByTimeAsync(699);
    expect(action).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(1);

    expect(await run).toBe('answer');
  });

  it('are left to the caller when the dependency asks for more patience than the policy has', async () => {
    const busy = Object.assign(new Error('429'), { retryAfterMs: 60_000 });
    const action = vi.fn(() => Promise.reject(busy));

    const end = await ending(chroma(patient).run(action));

    expect(action).toHaveBeenCalledOnce();
    expect(end).toMatchObject({ kind: 'unavailable', retryAfterMs: 60_000 });
  });

  it('are not begun when the deadline comes before them', async () => {
    vi.mocked(Math.random).mockReturnValue(1);
    const action = vi.fn(refused);

    const end = await ending(withDeadline(90, () => chroma(patient).run(action)));

    expect(action).toHaveBeenCalledOnce();
    expect(end).toEqual(failure('unavailable'));
  });

  it('stop when the breaker opens meanwhile, and say what happened when the dependency was asked', async () => {
    vi.mocked(Math.random).mockReturnValue(1);
    const breakers = createBreakers();
    const first = ending(chroma(patient, breakers).run(() => Promise.reject(new Error('reset'))));
    for (let time = 0; time < 4; time += 1) await ending(chroma({}, breakers).run(refused));

    const end = await inTime(2_000, first);

    expect(end).toMatchObject({ kind: 'unavailable', wasTried: true });
  });

  it('are at most a tenth of the calls once the burst is used up', async () => {
    const breakers = createBreakers();
    const action = vi.fn(() => Promise.reject(new Error('reset')));
    const calls = 200;

    for (let call = 0; call < calls; call += 1) {
      // A new operation each time keeps the breakers out of it: the budget is the dependency's.
      await inTime(0, chroma({ ...patient, operation: `operation-${call}` }, breakers).run(action));
    }

    expect(action.mock.calls.length - calls).toBeLessThanOrEqual(10 + calls / 10);
    expect(action.mock.calls.length - calls).toBeGreaterThanOrEqual(10);
  });
});

describe('a fallback', () => {
  it('answers in place of a dependency that does not, and is counted', async () => {
    const before = await countOf('fallback_total', { dependency: 'chroma', operation: 'query' });

    const result = await chroma().runOr(refused, (error) => `without ${error.dependency}`);

    expect(result).toBe('without chroma');
    expect(await countOf('fallback_total', { dependency: 'chroma', operation: 'query' })).toBe(before + 1);
  });

  it('hides no error that is not about the dependency', async () => {
    const notFound = new Error('404');

    await expect(
      chroma({ isItsFault: () => false }).runOr(
        () => Promise.reject(notFound),
        () => 'hidden',
      ),
    ).rejects.toBe(notFound);
  });
});

it('a call of a dependency measures every attempt by how it ended', async () => {
  const operation = 'measured';
  const counts = () =>
    Promise.all(
      ['ok', 'answered', 'unavailable', 'timeout', 'open'].map((outcome) =>
        countOf('dependency_call_duration_seconds', { dependency: 'chroma', operation, outcome }),
      ),
    );
  const notFound = new Error('404');
  const call = chroma({ operation, isItsFault: (error) => error !== notFound });

  await call.run(answer);
  await ending(call.run(() => Promise.reject(notFound)));
  await inTime(2_000, call.run(never));
  await ending(call.run(refused));
  await ending(call.run(refused));
  await ending(call.run(answer));

  expect(await counts()).toEqual([1, 1, 2, 1, 1]);
});

describe('what a unit of work waits for', () => {
  /** What the report of this process says about a request, while `inside` runs. */
  const waitsDuring = async (policy: Partial<CallPolicy>, action: () => Promise<unknown>): Promise<string[]> => {
    const call = chroma({ attempts: 2, backoff: { baseMs: 100, capMs: 100 }, ...policy });
    const context = { requestId: 'r1' };
    const work = beginWork(context, { kind: 'request', id: 'r1', what: 'GET /v1/search' });
    const seen: string[] = [];
    const look = () => {
      for (const { dependency, operation, stage } of work.report(performance.now()).waitingFor)
        seen.push(`${dependency} ${operation} ${stage}`);
    };
    const done = runInContext(context, () =>
      call.run(() => {
        look();
        return action();
      }),
    );
    const end = ending(done);
    await vi.advanceTimersByTimeAsync(50);
    look();
    await vi.advanceTimersByTimeAsync(5_000);
    await end;
    look();
    work.end();
    return seen;
  };

  it('is shown while a dependency is called, and not longer', async () => {
    expect(await waitsDuring({}, answer)).toEqual(['chroma query answer']);
    expect(await waitsDuring({ attempts: 1 }, never)).toEqual(['chroma query answer', 'chroma query answer']);
  });

  it('is the next try between two tries', async () => {
    vi.mocked(Math.random).mockReturnValue(0.9);
    let tries = 0;

    expect(await waitsDuring({}, () => (++tries === 1 ? refused() : answer()))).toEqual([
      'chroma query answer',
      'chroma query retry',
      'chroma query answer',
    ]);
  });

  it('is a permit while too many calls run already', async () => {
    const call = chroma({ bulkhead: { concurrent: 1, queued: 1 } });
    const first = ending(call.run(never));
    const context = { requestId: 'r2' };
    const work = beginWork(context, { kind: 'request', id: 'r2', what: 'GET /v1/search' });
    const second = ending(runInContext(context, () => call.run(answer)));

    expect(work.report(performance.now()).waitingFor).toMatchObject([{ dependency: 'chroma', stage: 'place' }]);

    await vi.advanceTimersByTimeAsync(2_000);
    await Promise.all([first, second]);
    work.end();
  });
});
