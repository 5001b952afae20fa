import type { PipelineState, StageState } from '#lib/contracts/http';
import { atAcknowledgement } from '#lib/conversations/first-stages';
import type { Message } from '#lib/conversations/message';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** The stages of a message now. `entry` is its ledger entry; one of an older version says nothing about this version. */
export const pipelineStateOf = (message: Message, entry: LedgerEntry | undefined): PipelineState => ({
  ...atAcknowledgement,
  embedding: atAcknowledgement.embedding === 'skipped' ? 'skipped' : embeddingOf(message, entry),
});

const embeddingOf = (message: Message, entry: LedgerEntry | undefined): StageState => {
  if (entry === undefined || entry.version < message.version) return 'pending';
  switch (entry.state) {
    case 'indexed':
    case 'removed':
      return 'done';
    case 'failed':
      return 'failed';
    default:
      return entry.state satisfies never;
  }
};
