import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findToolIn, type ToolSurroundings } from './find-tool.js';
import { type Tool, toolTable } from './tool-table.js';

const tool: Tool = { version: '1.2.3', origin: { kind: 'go', program: 'example.org/hammer' } };

describe('a tool of the tests', () => {
  let folder: string;
  let fetched: number;
  const around = (over: Partial<ToolSurroundings> = {}): ToolSurroundings => ({
    cacheFolder: join(folder, 'tools'),
    onPath: () => undefined,
    fetch: async (name, _tool, into) => {
      fetched += 1;
      await writeFile(join(into, name), '#!/bin/sh\n');
    },
    progress: () => undefined,
    timeoutMs: 10_000,
    ...over,
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-tools-'));
    fetched = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is the one on the PATH where there is one', async () => {
    expect(await findToolIn('hammer', tool, around({ onPath: () => '/usr/bin/hammer' }))).toEqual({ path: '/usr/bin/hammer' });
    expect(fetched).toBe(0);
  });

  it('is fetched once, also for several that ask at the same time, and leaves nothing else in the cache', async () => {
    const found = await Promise.all([1, 2, 3].map(() => findToolIn('hammer', tool, around())));
    const path = join(folder, 'tools', 'hammer-1.2.3', 'hammer');
    expect(found).toEqual([{ path }, { path }, { path }]);
    expect(await findToolIn('hammer', tool, around())).toEqual({ path });
    expect(fetched).toBe(1);
    expect(readdirSync(join(folder, 'tools'))).toEqual(['hammer-1.2.3']);
  });

  it('is fetched anew for another version', async () => {
    await findToolIn('hammer', tool, around());
    await findToolIn('hammer', { ...tool, version: '1.2.4' }, around());
    expect(fetched).toBe(2);
  });

  it('is missing with the last line that its registry said, for ten minutes without another try', async () => {
    const fetch = () => {
      fetched += 1;
      return Promise.reject(new Error('go install ended with code 1\ngo: downloading ...\ngo: no such host\n'));
    };
    const missing = { missing: 'hammer cannot be had: go: no such host' };
    expect(await findToolIn('hammer', tool, around({ fetch }))).toEqual(missing);
    expect(await findToolIn('hammer', tool, around({ fetch }))).toEqual(missing);
    expect(fetched).toBe(1);
    const longAgo = new Date(Date.now() - 601_000);
    utimesSync(join(folder, 'tools', 'hammer-1.2.3.missing'), longAgo, longAgo);
    expect(await findToolIn('hammer', tool, around())).toHaveProperty('path');
  });

  it('is missing when what came does not hold the program', async () => {
    const found = await findToolIn('hammer', tool, around({ fetch: async () => undefined }));
    expect(found).toEqual({ missing: 'hammer cannot be had: what was fetched does not hold the program' });
  });

  it('is missing when the cache cannot be written, and that is no failure of the test', async () => {
    await writeFile(join(folder, 'tools'), 'a file where the folder should be');
    expect(await findToolIn('hammer', tool, around())).toHaveProperty('missing');
  });
});

it('every tool has an exact version, or that of the Debian release', () => {
  for (const { version, origin } of Object.values(toolTable) as Tool[]) {
    expect(version).toMatch(origin.kind === 'debian' ? /^debian$/ : /^\d+\.\d+\.\d+/);
  }
});
