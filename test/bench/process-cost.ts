import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { descendantsOf } from '#lib/devstack/process/process-identity';
import { eventually } from '#lib/testing/eventually';
import { sampleAllocations } from './allocations.js';

/** A process whose cost is counted, with all that it started (the backends of Postgres, the scheduler threads of Erlang). */
export interface CountedProcess {
  readonly name: string;
  readonly pid: number | undefined;
  /** Of a Node process that was started with `--inspect-port=0`: where it says on which port its inspector listens. */
  readonly inspectorLog?: string;
}

/** What one process used for one message. null = not counted here, see `systemCallsBy`, or not a Node process. */
export interface ProcessCost {
  readonly name: string;
  /** User and system time, from `/proc/<pid>/stat`. */
  readonly cpuMicros: number;
  readonly systemCalls: number | null;
  /** Bytes on V8's heap, sampled by its profiler, collected ones included. Buffers outside of the heap do not count. */
  readonly allocatedBytes: number | null;
}

/** What a message cost, over all processes that had to do with it. */
export interface Cost {
  readonly perSecond: number;
  readonly processes: readonly ProcessCost[];
  /** The program that counted the system calls, or why none could. */
  readonly systemCallsBy: string;
}

/** Linux counts CPU time in hundredths of a second, whatever the kernel's own clock does (`USER_HZ`). */
const TICK_MICROS = 10_000;
const TOOL_WITHIN_MS = 10_000;

/** Messages that a load had acknowledged, and how many of them per second. */
interface Acknowledged {
  readonly okCount: number;
  readonly perSecond: number;
}

/**
 * Runs `load` three times: once untouched for CPU time, once under a counter of system calls, once under V8's allocation profiler, because
 * each of the two makes what it looks at slower.
 */
export const measureCost = async (processes: readonly CountedProcess[], load: () => Promise<Acknowledged>): Promise<Cost> => {
  const before = processes.map(cpuMicrosOf);
  const { okCount, perSecond } = await load();
  const cpu = processes.map((each, i) => (cpuMicrosOf(each) - (before[i] ?? 0)) / okCount);
  const counter = systemCallCounter();
  const calls = typeof counter === 'string' ? undefined : await countSystemCalls(counter, processes, load);
  const allocated = await allocationsOf(processes, load);
  return {
    perSecond,
    processes: processes.map(({ name }, i) => ({
      name,
      cpuMicros: cpu[i] ?? 0,
      systemCalls: calls?.[i] ?? null,
      allocatedBytes: allocated[i] ?? null,
    })),
    systemCallsBy: typeof counter === 'string' ? counter : counter.name,
  };
};

const allOf = ({ pid }: Pick<CountedProcess, 'pid'>): number[] => (pid === undefined ? [] : [pid, ...descendantsOf(pid)]);

/** CPU time that a process and its descendants have used, in microseconds. */
export const cpuMicrosOf = (counted: Pick<CountedProcess, 'pid'>): number =>
  TICK_MICROS * allOf(counted).reduce((sum, pid) => sum + cpuTicksOf(pid), 0);

const cpuTicksOf = (pid: number): number => {
  try {
    // The name in parentheses may hold anything; utime, stime and those of children that have ended are the 12th to 15th field behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
  } catch {
    return 0; // it has ended since: its parent has its time
  }
};

/** A program that counts the system calls of running processes until it is interrupted, and how it reports them. */
interface SystemCallCounter {
  readonly name: string;
  readonly argumentsFor: (pids: readonly number[]) => string[];
  readonly totalIn: (report: string) => number;
}

const perf: SystemCallCounter = {
  name: 'perf',
  argumentsFor: (pids) => ['stat', '-x', ',', '-e', 'raw_syscalls:sys_enter', '-p', pids.join(',')],
  totalIn: (report) => Number(/^(\d+),.*raw_syscalls:sys_enter/m.exec(report)?.[1] ?? Number.NaN),
};

/** Stops the process at every call, twice: it counts the calls of a slower process, which shares its batches among fewer messages. */
const strace: SystemCallCounter = {
  name: 'strace',
  argumentsFor: (pids) => ['-c', '-f', '-qq', ...pids.flatMap((pid) => ['-p', String(pid)])],
  totalIn: (report) => Number(/^\s*100\.00\s+[\d.]+\s+(?:\d+\s+)?(\d+).*\btotal\s*$/m.exec(report)?.[1] ?? Number.NaN),
};

const systemCallCounter = (): SystemCallCounter | string => {
  const probe = ['stat', '-x', ',', '-e', 'raw_syscalls:sys_enter', 'true'];
  const isCounting = spawnSync('perf', probe, { encoding: 'utf8', timeout: TOOL_WITHIN_MS });
  if (!Number.isNaN(perf.totalIn(isCounting.stderr ?? ''))) return perf;
  if (spawnSync('strace', ['-c', 'true'], { timeout: TOOL_WITHIN_MS }).status === 0) return strace;
  return 'not counted: neither perf nor strace may be used here';
};

const countSystemCalls = async (
  counter: SystemCallCounter,
  processes: readonly CountedProcess[],
  load: () => Promise<Acknowledged>,
): Promise<(number | null)[]> => {
  const counting = await Promise.all(processes.map((each) => startCounting(counter, allOf(each))));
  const { okCount } = await load();
  const totals = await Promise.all(counting.map(({ total }) => total()));
  return totals.map((total) => (Number.isNaN(total) ? null : total / okCount));
};

const startCounting = async (counter: SystemCallCounter, pids: readonly number[]): Promise<{ total: () => Promise<number> }> => {
  if (pids.length === 0) return { total: () => Promise.resolve(Number.NaN) };
  const child: ChildProcess = spawn(counter.name, counter.argumentsFor(pids), { stdio: ['ignore', 'ignore', 'pipe'] });
  let report = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (report += chunk));
  const ended = new Promise<void>((resolve) => void child.once('close', () => resolve()).once('error', () => resolve()));
  await isAttached(counter, pids, child);
  return {
    total: async (): Promise<number> => {
      child.kill('SIGINT');
      await ended;
      return counter.totalIn(report);
    },
  };
};

/** strace shows in `TracerPid`, perf in the counters that it holds open. */
const isAttached = (counter: SystemCallCounter, pids: readonly number[], child: ChildProcess): Promise<void> =>
  eventually(() => {
    const holds =
      counter === strace
        ? pids.every((pid) => readFileSync(`/proc/${pid}/status`, 'utf8').includes(`TracerPid:\t${child.pid}`))
        : readdirSync(`/proc/${child.pid}/fd`).length > pids.length + 3;
    if (!holds) throw new Error(`${counter.name} is not attached yet`);
  });

const notSampled = { bytes: () => Promise.resolve(null) };

const allocationsOf = async (processes: readonly CountedProcess[], load: () => Promise<Acknowledged>): Promise<(number | null)[]> => {
  const sampling = await Promise.all(
    processes.map(async ({ pid, inspectorLog }) =>
      pid === undefined || inspectorLog === undefined ? notSampled : sampleAllocations(pid, inspectorLog),
    ),
  );
  const { okCount } = await load();
  const bytes = await Promise.all(sampling.map((each) => each.bytes()));
  return bytes.map((each) => (each === null ? null : each / okCount));
};
