import { readFileSync } from 'node:fs';
import { setTimeout as passing } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { SmallService } from '#lib/testing/small-service';

let service: SmallService | undefined;
afterEach(async () => service?.kill());

const start = async (env: Record<string, string> = {}): Promise<SmallService> =>
  (service = await SmallService.ready({ WATCHDOG_HANG_MS: '1000', ...env }, Number(env['WEB_CONCURRENCY'] ?? 1)));

const dumpOf = (small: SmallService, message: string) => small.lines.find((line) => line.message === message);

/** The last resort of the watchdog comes 7 s after the hang was found. */
const LATE = { timeoutMs: 20_000 };

/** One letter, as `ps` shows it: T is stopped. */
const stateOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.charAt(0) ?? '';

it('the watchdog ends a process whose event loop is blocked, with where it is blocked and an exit code of its own', async () => {
  const small = await start();

  await small.get('/spin?ms=30000');

  expect(await small.exit).toBe(70);
  const dump = dumpOf(small, 'the event loop hangs: ending this process');
  expect(dump).toMatchObject({ level: 'fatal', service: 'small', pid: small.pid, inHand: { pid: small.pid, pools: [] } });
  expect(dump?.['stack']).toContainEqual(expect.stringMatching(/^spinFor .*small-service\.js:\d+$/));
});

it('the watchdog ends a process that hangs where no frame knows `process`', async () => {
  const small = await start();

  await small.get('/spin-in-a-context');

  expect(await small.exit).toBe(70);
  expect(dumpOf(small, 'the event loop hangs: ending this process')?.['stack']).toContainEqual(expect.stringMatching(/runInNewContext/));
});

it('the watchdog ends a worker that is blocked in native code by a signal of its own, and the supervisor calls it a hang', async () => {
  const small = await start({ WEB_CONCURRENCY: '2' });

  const hanging = (JSON.parse((await small.get('/stall')).body) as { pid: number }).pid;

  await eventually(
    () => expect(small.lines).toContainEqual(expect.objectContaining({ worker: hanging, code: null, signal: 'SIGALRM', reason: 'hang' })),
    LATE,
  );
  expect(dumpOf(small, 'the event loop hangs: ending this process')).toMatchObject({ stack: null, inHand: { pid: hanging } });
});

it('the watchdog leaves a busy process alone', async () => {
  // The rest of its time is for a machine that is busy, too.
  const small = await start({ WATCHDOG_HANG_MS: '4000' });

  await small.get('/spin?ms=1500');

  expect((await eventually(() => small.get('/pid'))).status).toBe(200);
});

it('the watchdog does not take a process for hanging that was stopped as a whole and goes on', async () => {
  const small = await start();

  small.signal('SIGSTOP');
  await eventually(() => expect(stateOf(small.pid)).toBe('T'));
  // Time itself is what is tested: three times the limit asleep, and longer than the limit awake.
  await passing(3_000);
  small.signal('SIGCONT');
  await passing(1_500);

  expect((await small.get('/pid')).status).toBe(200);
  expect(small.lines.filter(({ level }) => level === 'fatal')).toEqual([]);
});

it('the watchdog says which handler has long outlived its deadline and what it waits for, and lets the process serve on', async () => {
  const small = await start({ WATCHDOG_HANG_MS: '2000' });

  await small.get('/lost');

  const told = 'a handler has outlived twice its deadline';
  await eventually(() =>
    expect(dumpOf(small, told)).toMatchObject({
      level: 'error',
      work: { id: 'lost', what: 'GET /lost', isOverdue: true, waitingFor: [{ dependency: 'postgres', operation: 'sends' }] },
    }),
  );
  const metrics = (await small.get('/metrics')).body;
  expect(metrics).toMatch(/^work_overdue 1$/m);
  // Time itself is what is tested: as long again as it took to be noticed.
  await passing(2_500);
  expect((await small.get('/pid')).status).toBe(200);
  expect(small.lines.filter(({ message }) => message === told)).toHaveLength(1);
});

it('the watchdog ends a process in which a pool has lost its places, after it has said so', async () => {
  const small = await start();

  await small.get('/leak');

  expect(await small.exit).toBe(70);
  expect(dumpOf(small, 'a pool gives nothing back')).toMatchObject({ level: 'error', pools: ['leaky'] });
  expect(dumpOf(small, 'a pool has lost its places: ending this process')).toMatchObject({
    level: 'fatal',
    reason: 'pool leaky has given nothing back for 3000 ms',
    inHand: { pools: [{ name: 'leaky', inUse: 1, waiting: 1 }] },
  });
});

it('a process shows as metrics how busy its event loop is and how late it runs', async () => {
  const small = await start({ WATCHDOG_HANG_MS: '0' });

  await eventually(async () => {
    const samples = new Map(
      (await small.get('/metrics')).body.split('\n').map((line): [string, number] => {
        const [name = '', value] = line.split(' ');
        return [name, Number(value)];
      }),
    );
    expect(samples.get('nodejs_eventloop_utilization')).toBeGreaterThan(0);
    expect(samples.get('nodejs_eventloop_utilization')).toBeLessThan(0.95);
    // 10 ms between two looks, so a delay that was measured is at least a millisecond.
    expect(samples.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0.001);
  });
});

it('the watchdog has a hanging worker replaced while the others serve', async () => {
  const small = await start({ WEB_CONCURRENCY: '2' });

  const hanging = (JSON.parse((await small.get('/spin?ms=30000')).body) as { pid: number }).pid;
  await eventually(async () => {
    const pids = await small.pids();
    expect(pids.size).toBe(2);
    expect(pids).not.toContain(hanging);
  }, LATE);

  expect(small.lines).toContainEqual(expect.objectContaining({ worker: hanging, reason: 'hang' }));
});

it('a process logs its work in flight on SIGUSR2, with its watchdog running', async () => {
  const small = await start({ WATCHDOG_HANG_MS: '0' });
  await small.get('/lost');

  small.signal('SIGUSR2');

  await eventually(() => expect(dumpOf(small, 'asked what is in hand')).toMatchObject({ inHand: { work: { count: 1 } } }));
});
