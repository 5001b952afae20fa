import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containerLimits, throttledSeconds } from './container-limits.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cgroup-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('The limits of a container', () => {
  it('are those of its cgroup', () => {
    writeFileSync(join(folder, 'cpu.max'), '150000 100000\n');
    expect(containerLimits(undefined, folder).cores).toEqual({ value: 1.5, source: 'limit' });
  });

  it('are what the machine has where the cgroup sets none, or there is no cgroup', () => {
    expect(containerLimits(undefined, folder).cores).toEqual({ value: availableParallelism(), source: 'machine' });
    writeFileSync(join(folder, 'cpu.max'), 'max 100000\n');
    expect(containerLimits(undefined, folder).cores.source).toBe('machine');
  });

  it('take the memory that was configured before any other', () => {
    expect(containerLimits(1e9, folder).memory).toEqual({ value: 1e9, source: 'limit' });
    expect(containerLimits(undefined, folder).memory.value).toBeLessThanOrEqual(totalmem());
  });

  it('tell for how long they held the container back', () => {
    expect(throttledSeconds(folder)).toBe(0);
    writeFileSync(join(folder, 'cpu.stat'), 'usage_usec 5000000\nnr_throttled 3\nthrottled_usec 2500000\n');
    expect(throttledSeconds(folder)).toBe(2.5);
  });
});
