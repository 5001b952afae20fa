import type { PipelineState, StageState } from '#lib/contracts/http';
import { type PipelineRow, pipeline } from '#lib/contracts/pipeline';

/** The stages of a message when it is acknowledged. A stage that no app of this deployment does is skipped, and stays so: clients do not wait for it. */
export const stagesWith = (rows: readonly Pick<PipelineRow, 'app' | 'hears'>[]): PipelineState => {
  const startOf = (app: PipelineRow['app']): StageState =>
    rows.some((row) => row.app === app && row.hears.includes('message.created')) ? 'pending' : 'skipped';
  return { delivery: startOf('delivery'), embedding: startOf('embedding'), scoring: startOf('scoring') };
};

/** Where every message stands at the moment of its acknowledgement. */
export const atAcknowledgement: PipelineState = stagesWith(Object.values(pipeline));
