import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

/** What a process may use, and whether a limit says so or only the machine. */
export interface Allowance {
  readonly value: number;
  readonly source: 'limit' | 'machine';
}

const CGROUP = '/sys/fs/cgroup';
const MICROSECONDS = 1e6;

/**
 * Cores and bytes of memory of the container: what its cgroup allows (version 2), else what the machine has.
 * @param configuredMemoryBytes MEMORY_LIMIT_BYTES. @param folder of the cgroup; only tests give another one.
 */
export function containerLimits(
  configuredMemoryBytes?: number,
  folder = CGROUP,
): { readonly cores: Allowance; readonly memory: Allowance } {
  const [quota, period] = (read(`${folder}/cpu.max`) ?? '').trim().split(' ').map(Number);
  const cores = quota !== undefined && period !== undefined && quota > 0 ? quota / period : undefined;
  const constrained = process.constrainedMemory();
  const bytes = configuredMemoryBytes ?? (constrained > 0 && constrained < totalmem() ? constrained : undefined);
  return {
    cores: cores === undefined ? { value: availableParallelism(), source: 'machine' } : { value: cores, source: 'limit' },
    memory: bytes === undefined ? { value: totalmem(), source: 'machine' } : { value: bytes, source: 'limit' },
  };
}

/** Seconds for which the CPU limit has held the container back since it began; 0 where that is not told. */
export function throttledSeconds(folder = CGROUP): number {
  const found = /^throttled_usec (\d+)$/m.exec(read(`${folder}/cpu.stat`) ?? '');
  return Number(found?.[1] ?? 0) / MICROSECONDS;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // another version of cgroups, or none
  }
}
