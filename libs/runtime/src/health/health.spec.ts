import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { currentContext, runInContext } from '../log/context.js';
import { createLogger } from '../log/logger.js';
import { Health, type HealthProbe, type HealthReport } from './health.js';
import type { BreakerGlance, HealthChange } from './transitions.js';

type HealthCheck = HealthProbe['check'];

let terminus: HealthCheckService;
beforeAll(async () => {
  const module = await Test.createTestingModule({ imports: [TerminusModule.forRoot({ logger: false })] }).compile();
  terminus = module.get(HealthCheckService);
});
beforeEach(() => {
  vi.useFakeTimers();
  // Terminus' time limit; fake timers leave it to the real clock.
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException('too long', 'TimeoutError')), ms);
    return controller.signal;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const ok: HealthCheck = () => Promise.resolve();
const never: HealthCheck = () => new Promise(() => undefined);
const failing =
  (error: unknown): HealthCheck =>
  async () => {
    throw error;
  };
const refused: HealthCheck = () => Promise.reject(Object.assign(new Error('connect 10.0.0.7:5432'), { code: 'ECONNREFUSED' }));

const silent = createLogger('gateway', 'silent');
const health = (checks: Record<string, HealthCheck>, breaker: BreakerGlance['state'] = 'closed') => {
  const subject = new Health(terminus, new HealthIndicatorService(), silent);
  for (const [name, check] of Object.entries(checks)) {
    subject.add({ name, check, isVital: name === 'postgres', breaker: () => ({ state: breaker, since: new Date(0) }) });
  }
  return subject;
};

const inTime = async (ms: number, promise: Promise<HealthReport>): Promise<HealthReport> => {
  let report: HealthReport | undefined;
  void promise.then((answer) => (report = answer));
  await vi.advanceTimersByTimeAsync(ms);
  if (report === undefined) throw new Error(`no answer within ${ms} ms`);
  return report;
};

describe('the health report', () => {
  it('is ok when every check is', async () => {
    expect(await health({ postgres: ok, redis: ok }).report()).toMatchObject({
      status: 'ok',
      checks: { postgres: { status: 'ok' }, redis: { status: 'ok' } },
    });
  });

  it('is degraded, not down, while what is vital works', async () => {
    const report = await health({ postgres: ok, rabbitmq: refused, redis: refused, chroma: refused }).report();

    expect(report.status).toBe('degraded');
  });

  it('is down without what is vital', async () => {
    expect((await health({ postgres: refused, rabbitmq: ok }).report()).status).toBe('down');
  });

  it('answers within 2.5 s when everything hangs', async () => {
    const report = await inTime(2_499, health({ postgres: never, rabbitmq: never, chroma: never }).report());

    expect(report).toMatchObject({
      status: 'down',
      checks: {
        postgres: { status: 'down', latencyMs: 2_000, detail: 'timeout' },
        rabbitmq: { status: 'down' },
        chroma: { status: 'down' },
      },
    });
  });
});

it('the health report is still what the dependencies are while the process stops', async () => {
  const module = await Test.createTestingModule({ imports: [TerminusModule.forRoot({ logger: false })] }).compile();
  await module.init();
  await module.close();
  const subject = new Health(module.get(HealthCheckService), new HealthIndicatorService(), silent);
  subject.add({ name: 'postgres', check: ok, isVital: true });

  expect(await subject.report()).toMatchObject({ status: 'ok', checks: { postgres: { status: 'ok' } } });
});

describe('a check', () => {
  it('tells the state of the breaker', async () => {
    expect(await health({ redis: refused }, 'half-open').report()).toMatchObject({ checks: { redis: { breaker: 'half-open' } } });
  });

  it('is degraded while it answers but our calls to it are still refused', async () => {
    expect(await health({ redis: ok }, 'open').report()).toMatchObject({
      checks: { redis: { status: 'degraded', detail: 'breaker-open' } },
    });
  });

  it('can say itself that a part is missing', async () => {
    const report = await health({ postgres: ok, embedder: () => Promise.resolve({ degraded: 'model is loading' }) }).report();

    expect(report).toMatchObject({ status: 'degraded', checks: { embedder: { status: 'degraded', detail: 'model is loading' } } });
  });

  it('tells the code of an error, never its message: the endpoint needs no token', async () => {
    const wrapped: HealthCheck = () => Promise.reject(new Error('postgres health: unavailable', { cause: new Error('password hunter2') }));
    const report = await health({ postgres: refused, redis: wrapped, chroma: () => Promise.reject('hunter2') }).report();

    expect(report.checks['postgres']?.detail).toBe('ECONNREFUSED');
    expect(JSON.stringify(report)).not.toMatch(/10\.0\.0\.7|hunter2/);
  });

  it.each([
    [5_000, 'ok'],
    [20_000, 'down'],
  ])('that the process has slept through is what was found %d ms before: %s', async (agoMs, status) => {
    vi.useRealTimers();
    let isAsleep = false;
    const subject = health({
      postgres: async () => {
        await immediate(); // the time limit runs by now
        if (isAsleep) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100);
        await immediate();
      },
    });
    expect((await subject.report()).status).toBe('ok');
    await sleep(1_050); // no longer the same look
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + agoMs);
    isAsleep = true;
    expect((await subject.report()).status).toBe(status);
  });

  it('tells a timeout by that name, and never "Error", which says nothing', async () => {
    const timeout = Object.assign(new Error('postgres health: timeout', { cause: new Error('no answer within 900 ms') }), {
      kind: 'timeout',
    });
    const details = async (error: unknown) => (await health({ redis: failing(error) }).report()).checks['redis']?.detail;

    expect(await details(timeout)).toBe('timeout');
    expect(await details(new DOMException('too long', 'TimeoutError'))).toBe('timeout');
    expect(await details(new Error('anything'))).toBe('failed');
    const loop = new Error('loop');
    loop.cause = loop;
    expect(await details(loop)).toBe('failed');
  });

  it('counts as down when it throws before it returns a promise', async () => {
    const broken: HealthCheck = () => {
      throw new TypeError('broken');
    };

    expect(await health({ redis: broken }).report()).toMatchObject({ checks: { redis: { status: 'down', detail: 'TypeError' } } });
  });

  it('gets its signal aborted when it is not waited for any longer', async () => {
    let signal: AbortSignal | undefined;
    await inTime(
      2_000,
      health({
        redis: (given) => {
          signal = given;
          return never(given);
        },
      }).report(),
    );

    expect(signal?.aborted).toBe(true);
  });

  it('keeps its since for as long as its status stays', async () => {
    let check = ok;
    const subject = health({ redis: (signal) => check(signal) });
    const since = async () => {
      await vi.advanceTimersByTimeAsync(2_000);
      return (await subject.report()).checks['redis']?.since;
    };

    const [first, second] = [await since(), await since()];
    check = refused;
    const third = await since();

    expect(second).toBe(first);
    expect(third).toBe(new Date().toISOString());
  });
});

describe('a transition', () => {
  const watched = (check: HealthCheck, breaker?: () => { state: 'closed' | 'open'; since: Date }) => {
    const changes: HealthChange[] = [];
    const logger = createLogger('gateway', 'info', { write: (line) => void changes.push(JSON.parse(line) as HealthChange) });
    const subject = new Health(terminus, new HealthIndicatorService(), logger);
    subject.add({ name: 'redis', check, ...(breaker && { breaker }) });
    subject.start();
    return { subject, changes };
  };

  it('is noticed in the background: since does not depend on callers', async () => {
    let check = ok;
    const { subject } = watched((signal) => check(signal));
    await vi.advanceTimersByTimeAsync(60_000);
    check = refused;
    const failedAt = Date.now();
    await vi.advanceTimersByTimeAsync(600_000);

    const since = Date.parse((await subject.report()).checks['redis']?.since ?? '');

    expect(since - failedAt).toBeGreaterThanOrEqual(0);
    expect(since - failedAt).toBeLessThanOrEqual(5_000);
    subject.stop();
  });

  it('is dated by the breaker when calls met it before', async () => {
    let breaker: { state: 'closed' | 'open'; since: Date } = { state: 'closed', since: new Date() };
    const { subject } = watched(ok, () => breaker);
    await vi.advanceTimersByTimeAsync(1_000);
    breaker = { state: 'open', since: new Date() };
    const openedAt = new Date().toISOString();
    await vi.advanceTimersByTimeAsync(10_000);

    expect((await subject.report()).checks['redis']).toMatchObject({ status: 'degraded', since: openedAt });
    subject.stop();
  });

  it('is logged once, with its reason, and a first look only when something is wrong', async () => {
    let check = ok;
    const { subject, changes } = watched((signal) => check(signal));
    await vi.advanceTimersByTimeAsync(20_000);
    expect(changes).toEqual([]);
    check = refused;
    await vi.advanceTimersByTimeAsync(20_000);
    check = ok;
    await vi.advanceTimersByTimeAsync(20_000);

    expect(changes).toMatchObject([
      { level: 'warn', message: 'health changed', check: 'redis', from: 'ok', to: 'down', detail: 'ECONNREFUSED' },
      { level: 'info', message: 'health changed', check: 'redis', from: 'down', to: 'ok' },
    ]);
    subject.stop();
  });

  it('of a check that was added later counts too', async () => {
    const subject = health({ postgres: ok });
    subject.add({ name: 'pipeline', check: () => Promise.resolve({ degraded: 'queue-paused embedding.messages' }) });

    expect(await subject.report()).toMatchObject({
      status: 'degraded',
      checks: { pipeline: { detail: 'queue-paused embedding.messages' } },
    });
  });
});

describe('many callers', () => {
  it('share one run', async () => {
    const check = vi.fn(never);
    const subject = health({ redis: check });

    await inTime(
      2_000,
      Promise.all([subject.report(), subject.report(), subject.report()]).then(([report]) => report),
    );

    expect(check).toHaveBeenCalledOnce();
  });

  it('share its answer for one more second, and not longer', async () => {
    const check = vi.fn(ok);
    const subject = health({ redis: check });
    await subject.report();

    await vi.advanceTimersByTimeAsync(999);
    await subject.report();
    expect(check).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(1);
    await subject.report();

    expect(check).toHaveBeenCalledTimes(2);
  });

  it('get an answer outside the context of the first of them', async () => {
    let seen: unknown;
    const subject = health({
      redis: () => {
        seen = currentContext();
        return Promise.resolve();
      },
    });

    await runInContext({ requestId: 'r-1' }, () => subject.report());

    expect(seen).toEqual({});
  });
});
