import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, as the system writes it (clock ticks since boot on Linux): only good for comparing. */
  readonly startedAt: string;
}

/** The identity of a running process, or undefined when there is none with this pid. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startedAt = startOf(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Whether exactly this process still runs. A zombie counts as gone. */
export function isRunning(identity: ProcessIdentity): boolean {
  return startOf(identity.pid) === identity.startedAt;
}

/** A pid file's one line: `PID START`, so that a shell can read the pid and we can tell whether it is still the same process. */
export function toPidFile({ pid, startedAt }: ProcessIdentity): string {
  return `${pid} ${startedAt}\n`;
}

/** What {@link toPidFile} wrote, or undefined when it is not that. */
export function fromPidFile(text: string): ProcessIdentity | undefined {
  const [pid = '', ...startedAt] = text.trim().split(' ');
  return /^[1-9]\d*$/.test(pid) && startedAt.length > 0 ? { pid: Number(pid), startedAt: startedAt.join(' ') } : undefined;
}

/**
 * What a server left behind in its own session although it is gone itself, such as its name server. Only processes that were started
 * within its first minute count, so that a later session of another user with the same number is not touched.
 */
export function leftBehindBy({ pid, startedAt }: ProcessIdentity): ProcessIdentity[] {
  if (!hasProc) return [];
  const MINUTE_IN_TICKS = 6_000; // USER_HZ is 100 on every Linux
  return allPids()
    .filter((each) => each !== pid && procStat(each)?.[3] === String(pid))
    .map(identify)
    .filter((each) => each !== undefined)
    .filter((each) => Number(each.startedAt) >= Number(startedAt) && Number(each.startedAt) - Number(startedAt) < MINUTE_IN_TICKS);
}

/** The processes below this one, parents before children, without itself. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const [child, parent] of parentOfEach()) children.set(parent, [...(children.get(parent) ?? []), child]);
  const found: number[] = [];
  for (let next = [...(children.get(pid) ?? [])]; next.length > 0; next = next.flatMap((each) => children.get(each) ?? []))
    found.push(...next);
  return found;
}

/** Sends a signal to a process, or to its group with a negative pid. False when there is none left. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** Waits until none of these runs; true when that happened within the time. */
export async function goneWithin(timeoutMs: number, identities: readonly ProcessIdentity[]): Promise<boolean> {
  for (const endsAt = performance.now() + timeoutMs; identities.some(isRunning); await sleep(20)) {
    if (performance.now() > endsAt) return false;
  }
  return true;
}

const hasProc = existsSync('/proc/self/stat');

function startOf(pid: number): string | undefined {
  if (!hasProc) return startByPs(pid);
  const fields = procStat(pid);
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function parentOfEach(): [child: number, parent: number][] {
  if (!hasProc) return parentsByPs();
  return allPids().flatMap((pid): [number, number][] => {
    const parent = procStat(pid)?.[1];
    return parent === undefined ? [] : [[pid, Number(parent)]];
  });
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Fields of /proc/PID/stat from the third (state) on; the second holds the program's name, which may contain anything. */
function procStat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function startByPs(pid: number): string | undefined {
  try {
    const [state = '', ...started] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 2_000 })
      .trim()
      .split(/\s+/);
    return state === '' || state.startsWith('Z') ? undefined : started.join(' ');
  } catch {
    return undefined;
  }
}

function parentsByPs(): [number, number][] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8', timeout: 2_000 }).trim().split('\n');
  return lines.map((line) => {
    const [child = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    return [child, parent];
  });
}
