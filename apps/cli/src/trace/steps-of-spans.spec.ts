import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { StoredSpan } from '#lib/devstack/traces/stored-span';
import { spansOf, stepsOfSpans } from './steps-of-spans.js';

const span = (spanId: string, facts: Partial<StoredSpan> = {}): StoredSpan => ({
  service: 'test',
  name: spanId,
  traceId: 'trace',
  spanId,
  links: [],
  startedAt: 0,
  durationMs: 1,
  ...facts,
});

it('a batch of another trace is below the message that it is linked to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spans-'));
  try {
    const spans = [
      span('request'),
      span('process', { parentSpanId: 'request', links: [{ traceId: 'batches', spanId: 'batch' }], note: '2' }),
      span('batch', { traceId: 'batches', links: [{ traceId: 'trace', spanId: 'process' }] }),
      span('upsert', { traceId: 'batches', parentSpanId: 'batch', failure: 'timeout' }),
      span('other', { traceId: 'elsewhere' }),
      span('orphan', { parentSpanId: 'lost' }),
    ];
    await writeFile(join(folder, 'spans.log'), spans.map((each) => JSON.stringify(each)).join('\n'));
    const [request, orphan, ...others] = stepsOfSpans(await spansOf(folder, ['trace']), ['trace']);

    expect(others).toEqual([]);
    expect(orphan?.what).toBe('orphan');
    expect(request?.children).toMatchObject([
      { what: 'process (2)', children: [{ what: 'batch', children: [{ what: 'upsert', outcome: 'timeout', isFailed: true }] }] },
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('there are none where none were kept', async () => {
  expect(await spansOf('/nowhere', ['trace'])).toEqual([]);
});

it('a line that is not written to its end yet is left out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spans-'));
  try {
    const [whole, torn] = [JSON.stringify(span('request')), JSON.stringify(span('process'))];
    await writeFile(join(folder, 'spans.log'), `${whole}\n${torn.slice(0, -5)}`);
    expect(await spansOf(folder, ['trace'])).toEqual([span('request')]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
