import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeFlags } from './node-flags.js';

describe('the heap of the gateway', () => {
  it('has a small young generation and the usual limit', () => {
    const ask = 'console.log(require("node:v8").getHeapStatistics().heap_size_limit / 2 ** 20)';
    const limitMiB = (flags: string[]) => Number(execFileSync(process.execPath, [...flags, '-e', ask], { encoding: 'utf8' }));
    // The limit counts three semi-spaces: of 64 MiB each on a machine with a lot of memory, of 16 here.
    expect(limitMiB(nodeFlags('gateway'))).toBe(limitMiB(['--max-semi-space-size=16']));
    expect(limitMiB(nodeFlags('gateway'))).toBeLessThanOrEqual(limitMiB(nodeFlags('embedding')));
  });

  it('is the same in a container', () => {
    const script = readFileSync(new URL('../../../../docker/run', import.meta.url), 'utf8');
    expect(script).toContain(`node ${nodeFlags('embedding').join(' ')}`);
    for (const flag of nodeFlags('gateway')) expect(script).toContain(flag);
  });
});
