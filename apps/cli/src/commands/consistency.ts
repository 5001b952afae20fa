import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import type { ConsistencyReport, ConsistencyRun, FindingKind } from '#lib/contracts/admin';
import { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { PostgresConsistencyRuns } from '#lib/vectors/consistency/adapters/postgres-consistency-runs';
import type { ConsistencyRunsPort } from '#lib/vectors/consistency/consistency-runs.port';
import { Explained } from '#lib/devstack/terminal/explain';
import { counted } from '#lib/devstack/terminal/counted';
import { operatorName } from '../operator/identity.js';
import { withLane } from '../operator/with-lane.js';
import { printJson } from '../output/print-json.js';
import { tableOf } from '#lib/devstack/terminal/table';

/** `ops` looks every 2 s; another run may have to end first. */
const BEGIN_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 500;

const MEANING: Readonly<Record<FindingKind, string>> = {
  unindexed: 'never indexed, though later messages were',
  missing: 'vectors that should be there are not',
  stale: 'vectors of another version, or too many',
  orphan: 'vectors of deleted or unknown messages',
  failed: 'given up on: see `parley dlq list`',
};

/** `parley consistency`: has `ops` compare messages and vectors now, and shows what it found. Exit code 1 when something is out of step. */
export async function compareVectors({ repair = false, json = false }: { repair?: boolean; json?: boolean }): Promise<void> {
  const run = await withLane('work', async (lanes) => {
    const runs = new PostgresConsistencyRuns(await LaneDataSource.over(lanes.lane('work')));
    const { id } = await runs.request(repair ? 'repair' : 'check', operatorName());
    return untilDone(runs, id, json);
  });
  if (json) printJson(run);
  if (run.failure !== null) throw new Explained(`the comparison failed: ${run.failure}`);
  if (run.report === null) throw new Explained('the comparison left no report: was it done by another version?');
  if (!json) show(run.report, repair);
  const { failed: _, ...outOfStep } = run.report.findings;
  if (!repair && Object.values(outOfStep).some((count) => count > 0)) process.exitCode = 1;
}

async function untilDone(runs: ConsistencyRunsPort, id: string, isQuiet: boolean): Promise<ConsistencyRun> {
  const endsAt = performance.now() + BEGIN_WITHIN_MS;
  let shown = 0;
  for (;;) {
    const run = await runs.find(id);
    if (run === undefined) throw new Explained('the comparison was forgotten: too many others since');
    if (run.finishedAt !== null) return run;
    if (run.startedAt === null && performance.now() > endsAt) {
      throw new Explained(
        `no ops process has begun the comparison within ${BEGIN_WITHIN_MS / 1_000} s: is ops running? It is done when ops comes up; see it with GET /v1/admin/consistency`,
      );
    }
    const checked = run.report?.messagesChecked ?? 0;
    if (!isQuiet && process.stderr.isTTY && checked > shown) process.stderr.write(`\r${(shown = checked)} messages compared`);
    await sleep(ASK_EVERY_MS);
  }
}

function show({ findings, examples, messagesChecked, chunksChecked, pending, repaired }: ConsistencyReport, isRepair: boolean): void {
  const kinds = (Object.keys(findings) as FindingKind[]).filter((kind) => findings[kind] > 0);
  console.log(`${counted(messagesChecked, 'message')} and ${counted(chunksChecked, 'vector')} compared; ${pending} still on their way`);
  if (kinds.length === 0) return console.log(pc.green('in step'));
  console.log(
    tableOf(
      ['kind', 'count', 'meaning', 'for example'],
      kinds.map((kind) => [pc.red(kind), findings[kind], MEANING[kind], examples[kind].slice(0, 3).join('\n')]),
    ),
  );
  if (!isRepair) return console.log('repair with: npx parley consistency --repair');
  console.log(
    pc.green(
      `${counted(repaired.ordered, 'message')} to be indexed again, ${counted(repaired.removed, 'vector')} of unknown messages removed`,
    ),
  );
}
