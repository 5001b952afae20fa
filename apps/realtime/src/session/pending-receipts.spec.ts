import { expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ProblemError } from '#lib/contracts/problems';
import { RecordReceipt } from '#lib/conversations/record-receipt';
import { DependencyError } from '#lib/resilience/call/errors';
import { PendingReceipts } from './pending-receipts.js';

/** Knows one conversation of alice. */
class OneConversation extends RecordReceipt {
  readonly calls: unknown[] = [];
  failure: Error | undefined;

  constructor(private readonly id: string) {
    super(undefined as never, undefined as never);
  }

  override async execute(...[id, , receipt]: Parameters<RecordReceipt['execute']>): Promise<boolean> {
    this.calls.push([id, receipt]);
    if (this.failure !== undefined) throw this.failure;
    return id === this.id;
  }
}

const setUp = () => {
  const id = newId();
  const store = new OneConversation(id);
  const errors: [string, string][] = [];
  const alice = {
    userId: 'alice',
    sendError: ({ code }: ProblemError, { conversationId }: { conversationId: string }) => void errors.push([code, conversationId]),
  };
  return { store, id, alice, errors, receipts: new PendingReceipts(store) };
};

it('receipts of one conversation become one, with the highest of each number', async () => {
  const { store, id, alice, errors, receipts } = setUp();
  for (const [deliveredSeq, readSeq] of [
    [5, undefined],
    [undefined, 3],
    [4, 2],
  ]) {
    receipts.add(alice, { type: 'receipt', conversationId: id, deliveredSeq, readSeq });
  }
  receipts.flush();
  await receipts.finish();
  expect(store.calls).toEqual([[id, { deliveredSeq: 5, readSeq: 3 }]]);
  expect(errors).toEqual([]);
});

it('a receipt that cannot be recorded is answered, and keeps no other from being recorded', async () => {
  const { store, id, alice, errors, receipts } = setUp();
  const foreign = newId();
  receipts.add(alice, { type: 'receipt', conversationId: foreign, readSeq: 1 });
  receipts.add(alice, { type: 'receipt', conversationId: id, readSeq: 1 });
  await receipts.finish();
  expect(store.calls.map((call) => (call as [string])[0])).toEqual([foreign, id]);
  expect(errors).toEqual([['not-found', foreign]]);
  store.failure = new DependencyError('postgres', 'reads', 'open');
  receipts.add(alice, { type: 'receipt', conversationId: id, readSeq: 2 });
  await receipts.finish();
  expect(errors.at(-1)).toEqual(['dependency-unavailable', id]);
});
