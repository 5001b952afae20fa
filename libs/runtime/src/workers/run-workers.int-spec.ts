import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { SmallService } from '#lib/testing/small-service';

let service: SmallService | undefined;
afterEach(async () => service?.kill());

const start = async (workers: number, env: Record<string, string> = {}): Promise<SmallService> =>
  (service = await SmallService.ready({ WEB_CONCURRENCY: String(workers), ...env }, workers));

const processesOf = async (small: SmallService, count: number): Promise<Set<number>> =>
  eventually(async () => {
    const pids = await small.pids();
    expect(pids.size).toBe(count);
    return pids;
  });

/** Resolves when the workers have `count` slow requests in hand. */
const inHand = (small: SmallService, count: number): Promise<void> =>
  eventually(() => expect(small.lines.filter(({ message }) => message === 'slow request in hand')).toHaveLength(count));

describe('several workers', () => {
  it('serve one port, and their supervisor serves no request', async () => {
    const small = await start(3);

    const pids = await processesOf(small, 3);

    expect(pids).not.toContain(small.pid);
    expect((await small.get('/readyz')).status).toBe(200);
    expect((await small.get('/livez')).status).toBe(200);
  });

  it('share one operations port, which never shows a worker that is still starting', async () => {
    const [port = 0] = await freePorts(1);
    const small = await start(2, { OPERATIONS_PORT: String(port) });
    const ask = async (path: string) => {
      const signal = AbortSignal.timeout(2_000);
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' }, signal });
      return { status: answer.status, text: await answer.text() };
    };
    await eventually(async () => expect((await ask('/metrics')).text).toContain('worker_processes{state="running"} 2'));
    const [victim = 0] = await processesOf(small, 2);

    process.kill(victim, 'SIGKILL');
    const seen = new Set<string>();
    await eventually(async () => {
      // A connection may be cut with the worker that is killed, or be on its way to it for ever (node:cluster): that is no answer.
      const answers = await Promise.all(Array.from({ length: 4 }, () => ask('/readyz').catch(() => ({ text: 'cut' }))));
      for (const { text } of answers) seen.add(text);
      const pids = await small.pids();
      expect(pids.size === 2 && !pids.has(victim)).toBe(true);
    });

    // A worker that serves may be late on a busy machine, and says so: that is another reason.
    expect([...seen].filter((text) => text.includes('starting'))).toEqual([]);
    expect([...seen]).toContainEqual(expect.stringContaining('"ready"'));
  });

  it('come back after kill -9, and the others answer meanwhile', async () => {
    const small = await start(2);
    const [victim = 0, survivor = 0] = await processesOf(small, 2);

    process.kill(victim, 'SIGKILL');
    const meanwhile = await eventually(() => small.pids());
    const after = await processesOf(small, 2);

    expect(meanwhile).toContain(survivor);
    expect(after).toContain(survivor);
    expect(after).not.toContain(victim);
    expect(small.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        worker: victim,
        signal: 'SIGKILL',
        reason: 'crash',
        message: 'a worker died: starting another one',
      }),
    );
  });

  it('drain when they are told to stop: what is in flight is answered, and the exit code is 0', async () => {
    const small = await start(2);

    const answers = Array.from({ length: 8 }, () => small.get('/slow?ms=1000'));
    await inHand(small, answers.length);
    small.signal('SIGTERM');

    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await small.exit).toBe(0);
    expect(small.lines.filter(({ message }) => message === 'stopped')).toHaveLength(2);
  });

  it('are told once when the whole process group is told, as by a Ctrl-C in a terminal', async () => {
    const small = await start(2);
    const pids = await processesOf(small, 2);

    const answer = small.get('/slow?ms=500');
    await inHand(small, 1);
    for (const pid of [small.pid, ...pids]) process.kill(pid, 'SIGINT');

    expect((await answer).status).toBe(200);
    expect(await small.exit).toBe(0);
  });

  it('one of them told to stop drains alone and is replaced', async () => {
    const small = await start(2);
    const [leaving = 0, staying = 0] = await processesOf(small, 2);

    process.kill(leaving, 'SIGTERM');
    const after = await eventually(async () => {
      const pids = await processesOf(small, 2);
      expect(pids).not.toContain(leaving);
      return pids;
    });

    expect(after).toContain(staying);
    await eventually(() => expect(small.lines).toContainEqual(expect.objectContaining({ reason: 'left', worker: leaving })));
  });

  it('show the sum of their metrics, whichever of them is asked', async () => {
    const small = await start(2);
    await processesOf(small, 2);
    const [victim = 0] = await small.pids();
    process.kill(victim, 'SIGKILL');
    await eventually(() => expect(small.lines).toContainEqual(expect.objectContaining({ reason: 'crash' })));
    await processesOf(small, 2);

    // A worker that is late by more than a second, as on a busy machine, is left out of an answer.
    await eventually(async () => {
      const one = await small.get('/metrics');
      const other = await small.get('/metrics');
      for (const { body } of [one, other]) {
        expect(body).toContain('worker_processes{state="running"} 2');
        expect(body).toContain('worker_processes{state="silent"} 0');
        expect(body).toContain('worker_restarts_total{reason="crash"} 1');
        // Two Node processes that do nothing take more than one does: the sum is shown.
        expect(Number(/^process_resident_memory_bytes (\d+)/m.exec(body)?.[1])).toBeGreaterThan(90_000_000);
      }
    });
  });

  it('show no counter that falls, whether a worker is silent or has ended', { timeout: 60_000 }, async () => {
    const small = await start(2, { WATCHDOG_HANG_MS: '0' });
    await processesOf(small, 2);
    const cpuSeconds = async () => {
      const { body } = await small.get('/metrics');
      return { seconds: Number(/^process_cpu_seconds_total (\S+)/m.exec(body)?.[1]), body };
    };
    // Each of them has counted something that would be missed.
    const busy = new Set<number>();
    await eventually(async () => {
      busy.add((JSON.parse((await small.get('/spin?ms=300')).body) as { pid: number }).pid);
      expect(busy.size).toBe(2);
    });
    const { seconds: before } = await eventually(cpuSeconds);

    await small.get('/spin?ms=9000');
    const silent = await eventually(async () => {
      const shown = await cpuSeconds();
      expect(shown.body).toContain('worker_processes{state="silent"} 1');
      return shown;
    });
    expect(silent.seconds).toBeGreaterThanOrEqual(before);
    await eventually(async () => expect((await cpuSeconds()).body).toContain('worker_processes{state="silent"} 0'), { timeoutMs: 15_000 });

    const { seconds: meanwhile } = await cpuSeconds();
    const [victim = 0] = await processesOf(small, 2);
    process.kill(victim, 'SIGKILL');
    await eventually(() => expect(small.lines).toContainEqual(expect.objectContaining({ reason: 'crash', worker: victim })));
    await processesOf(small, 2);
    expect((await cpuSeconds()).seconds).toBeGreaterThanOrEqual(meanwhile);
  });

  it('answer for the others when one of them hangs', async () => {
    const small = await start(2, { WATCHDOG_HANG_MS: '0' });
    await processesOf(small, 2);
    await small.get('/spin?ms=8000');

    await eventually(async () => expect((await small.get('/metrics')).body).toContain('worker_processes{state="silent"} 1'));
  });

  it('end with their supervisor, even when it was killed', async () => {
    const small = await start(2);
    const pids = await processesOf(small, 2);

    await small.kill();

    await eventually(() => {
      for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    });
  });
});

it('do not loop when none of them can start: the exit code is that of a single process', async () => {
  service = await SmallService.begin({ WEB_CONCURRENCY: '2', SMALL_FAILS: 'start' });

  expect(await service.exit).toBe(1);
});

it('report a bad configuration once, with exit code 78', async () => {
  service = await SmallService.begin({ WEB_CONCURRENCY: '2', DATABASE_URL: 'mysql://nowhere' });

  expect(await service.exit).toBe(78);
});

it('one worker is one process, with nothing around it', async () => {
  const small = await start(1);

  expect(await small.pids()).toEqual(new Set([small.pid]));
});
