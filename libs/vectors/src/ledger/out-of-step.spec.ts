import { expect, it } from 'vitest';
import type { LedgerEntry } from './chunk-ledger.port.js';
import { outOfStep } from './out-of-step.js';

const entry = (facts: Partial<LedgerEntry> = {}): LedgerEntry => ({
  messageId: 'm',
  version: 2,
  chunkCount: 2,
  model: 'test',
  state: 'indexed',
  ...facts,
});
const chunk = (i: number, version = 2) => ({ id: `m#chunk_${i}`, messageId: 'm', version });

it.each([
  ['nothing when every chunk is there', entry(), [chunk(0), chunk(1)], []],
  ['a message with a missing chunk', entry(), [chunk(0)], ['m']],
  ['a message with a chunk too many', entry({ chunkCount: 1 }), [chunk(0), chunk(1)], ['m']],
  ['a message that an older version overwrote', entry(), [chunk(0, 1), chunk(1)], ['m']],
  ['a message that a newer version is about to claim', entry(), [chunk(0, 3), chunk(1, 3)], ['m']],
  ['a removed message that came back', entry({ state: 'removed', chunkCount: 0 }), [chunk(0, 1)], ['m']],
  ['nothing when a removed message is gone', entry({ state: 'removed', chunkCount: 0 }), [], []],
  ['nothing for a message that failed', entry({ state: 'failed' }), [], []],
])('outOfStep finds %s', (_, held, stored, expected) => {
  expect(outOfStep([held], stored)).toEqual(expected);
});
