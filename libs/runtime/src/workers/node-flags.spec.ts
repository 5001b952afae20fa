import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodeFlags } from './node-flags.js';

describe('a stack trace of a process', () => {
  it('leads to our source, and to what a package ships', () => {
    const map = { version: 3, sources: ['our-source.ts'], names: [], mappings: 'AAAA' };
    const url = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;
    const folder = mkdtempSync(join(tmpdir(), 'source-maps-'));
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${text}\n//# sourceMappingURL=${url}\n`);
    };
    write('node_modules/a-package/index.mjs', 'export const stackOfPackage = new Error().stack;');
    write(
      'ours.mjs',
      'import { stackOfPackage } from "./node_modules/a-package/index.mjs"; console.log(new Error().stack, stackOfPackage);',
    );
    try {
      const printed = execFileSync(process.execPath, [...nodeFlags('gateway'), join(folder, 'ours.mjs')], { encoding: 'utf8' });
      expect(printed).toContain(join(folder, 'our-source.ts'));
      expect(printed).toContain('a-package/index.mjs');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the heap of the gateway and of ops', () => {
  it('has a small young generation and the usual limit', () => {
    const ask = 'console.log(require("node:v8").getHeapStatistics().heap_size_limit / 2 ** 20)';
    const limitMiB = (flags: string[]) => Number(execFileSync(process.execPath, [...flags, '-e', ask], { encoding: 'utf8' }));
    // The limit counts three semi-spaces: of 64 MiB each on a machine with a lot of memory, of 16 here.
    expect(limitMiB(nodeFlags('gateway'))).toBe(limitMiB(['--max-semi-space-size=16']));
    expect(limitMiB(nodeFlags('gateway'))).toBeLessThanOrEqual(limitMiB(nodeFlags('embedding')));
  });

  it('is the same in a container', () => {
    const script = readFileSync(new URL('../../../../docker/run', import.meta.url), 'utf8');
    for (const flag of nodeFlags('gateway')) expect(script).toContain(flag);
    const [, apps = ''] = /case "\$app" in ([a-z |]+)\) heap=/.exec(script) ?? [];
    const isSmall = (app: string) => nodeFlags(app).some((flag) => flag.startsWith('--max-semi-space-size'));
    expect(apps.split(' | ')).toEqual(['gateway', 'realtime', 'embedding', 'delivery', 'scoring', 'ops'].filter(isSmall));
  });
});
