import type { PipelineState, StageState } from '#lib/contracts/http';
import { type PipelineRow, pipeline } from '#lib/contracts/pipeline';
import type { Message } from '#lib/conversations/message';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** The stages of a message when it is acknowledged. A stage that no app of this deployment does is skipped, and stays so: clients do not wait for it. */
export const stagesWith = (rows: readonly Pick<PipelineRow, 'app' | 'hears'>[]): PipelineState => {
  const startOf = (app: PipelineRow['app']): StageState =>
    rows.some((row) => row.app === app && row.hears.includes('message.created')) ? 'pending' : 'skipped';
  return { delivery: startOf('delivery'), embedding: startOf('embedding'), scoring: startOf('scoring') };
};

/** Where every message stands at the moment of its acknowledgement. */
export const atAcknowledgement: PipelineState = stagesWith(Object.values(pipeline));

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
