import { describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { Message } from '#lib/conversations/message';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';
import { pipelineStateOf } from './pipeline-state.js';

// Ids of one millisecond are in no order of their own.
const [earlierId = '', ownId = '', laterId = ''] = [newId(), newId(), newId()].sort();
const message: Message = {
  id: ownId,
  conversationId: newId(),
  seq: 1,
  senderId: 'alice',
  content: 'hello',
  version: 2,
  createdAt: new Date(),
};
const entry = (facts: Partial<LedgerEntry>): LedgerEntry => ({
  messageId: message.id,
  version: 2,
  chunkCount: 1,
  model: 'local',
  state: 'indexed',
  ...facts,
});

describe('the pipeline state of a message', () => {
  it.each([
    ['pending', 'before the ledger knows it', undefined],
    ['pending', 'while only an older version is indexed', entry({ version: 1 })],
    ['pending', 'while only an older version failed', entry({ version: 1, state: 'failed' })],
    ['done', 'once this version is indexed', entry({})],
    ['done', 'once a newer version is indexed', entry({ version: 3 })],
    ['done', 'once its vectors are removed', entry({ state: 'removed', chunkCount: 0 })],
    ['failed', 'when this version failed', entry({ state: 'failed' })],
  ])('says %s %s', (state, _, ledgerEntry) => {
    expect(pipelineStateOf(message, { delivery: undefined, embedding: ledgerEntry, scoring: undefined }).embedding).toBe(state);
  });

  it.each([
    ['pending', 'before its delivery is recorded', undefined],
    ['pending', 'while only an older version went out', { version: 1, state: 'delivered' as const }],
    ['pending', 'while only an older version failed', { version: 1, state: 'failed' as const }],
    ['done', 'once this version went out', { version: 2, state: 'delivered' as const }],
    ['done', 'once a newer version went out', { version: 3, state: 'delivered' as const }],
    ['failed', 'when the event of this version is a dead letter', { version: 2, state: 'failed' as const }],
  ])('says %s of the delivery %s', (state, _, held) => {
    const delivery = held === undefined ? undefined : { messageId: message.id, ...held };
    expect(pipelineStateOf(message, { delivery, firstDelivered: earlierId, embedding: undefined, scoring: undefined }).delivery).toBe(
      state,
    );
  });

  it('says skipped of the delivery of a message from before the first one that went out, unless it went out after all', () => {
    const firstDelivered = laterId;
    const delivery = { messageId: message.id, version: 2, state: 'delivered' as const };
    expect(pipelineStateOf(message, { delivery: undefined, firstDelivered, embedding: undefined, scoring: undefined }).delivery).toBe(
      'skipped',
    );
    expect(pipelineStateOf(message, { delivery, firstDelivered, embedding: undefined, scoring: undefined }).delivery).toBe('done');
  });

  it.each([
    ['pending', 'before there is a row', undefined],
    ['pending', 'while only an older version is scored', { version: 1, state: 'scored' as const }],
    ['pending', 'while only an older version failed', { version: 1, state: 'failed' as const }],
    ['done', 'once this version is scored', { version: 2, state: 'scored' as const }],
    ['done', 'once a newer version is scored', { version: 3, state: 'scored' as const }],
    ['done', 'once its signals are removed', { version: 2, state: 'removed' as const }],
    ['failed', 'when the event of this version is a dead letter', { version: 2, state: 'failed' as const }],
  ])('says %s of the scoring %s', (state, _, held) => {
    const scoring = held === undefined ? undefined : { messageId: message.id, ...held };
    const entries = { delivery: undefined, embedding: undefined, scoring, firstScored: earlierId };
    expect(pipelineStateOf(message, entries).scoring).toBe(state);
  });

  it('says skipped of the scoring of a message from before the first one that was scored', () => {
    const entries = { delivery: undefined, embedding: undefined, scoring: undefined, firstScored: laterId };
    expect(pipelineStateOf(message, entries).scoring).toBe('skipped');
  });
});
