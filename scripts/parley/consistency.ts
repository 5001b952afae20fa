import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import type { ConsistencyReport, ConsistencyRun, FindingKind } from '#lib/contracts/admin';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { applicationName } from '#lib/database/pool-budget';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { PostgresConsistencyRuns } from '#lib/vectors/consistency/adapters/postgres-consistency-runs';
import type { ConsistencyRunsPort } from '#lib/vectors/consistency/consistency-runs.port';
import { Explained } from '../explain.js';
import { counted } from '../counted.js';
import { operatorConfig } from '../running-stack.js';
import { tableOf } from '../table.js';

/** `ops` looks every 2 s; another run may have to end first. */
const BEGIN_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 500;
const UNDEFINED_TABLE = '42P01';

const MEANING: Readonly<Record<FindingKind, string>> = {
  unindexed: 'never indexed, though later messages were',
  missing: 'vectors that should be there are not',
  stale: 'vectors of another version, or too many',
  orphan: 'vectors of deleted or unknown messages',
  failed: 'given up on: see `parley dlq list`',
};

/** `parley consistency`: has `ops` compare messages and vectors now, and shows what it found. Exit code 1 when something is out of step. */
export async function compareVectors({ repair = false, json = false }: { repair?: boolean; json?: boolean }): Promise<void> {
  const run = await withBoard(async (board) => {
    const { id } = await board.request(repair ? 'repair' : 'check', `${userInfo().username}@${hostname()}`);
    return untilDone(board, id, json);
  });
  if (json) process.stdout.write(`${JSON.stringify(run, undefined, 2)}\n`);
  if (run.failure !== null) throw new Explained(`the comparison failed: ${run.failure}`);
  if (run.report === null) throw new Explained('the comparison left no report: was it done by another version?');
  if (!json) show(run.report, repair);
  const { failed: _, ...outOfStep } = run.report.findings;
  if (!repair && Object.values(outOfStep).some((count) => count > 0)) process.exitCode = 1;
}

async function untilDone(board: ConsistencyRunsPort, id: string, isQuiet: boolean): Promise<ConsistencyRun> {
  const endsAt = performance.now() + BEGIN_WITHIN_MS;
  let shown = 0;
  for (;;) {
    const run = await board.find(id);
    if (run === undefined) throw new Explained('the comparison was forgotten: too many others since');
    if (run.finishedAt !== null) return run;
    if (run.startedAt === null && performance.now() > endsAt) {
      throw new Explained(
        `nobody has begun the comparison within ${BEGIN_WITHIN_MS / 1_000} s: is ops running? It is done when ops comes up; see it with GET /v1/admin/consistency`,
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
  if (!isRepair) return console.log('repair with: npm run parley -- consistency --repair');
  console.log(
    pc.green(
      `${counted(repaired.ordered, 'message')} to be indexed again, ${counted(repaired.removed, 'vector')} of unknown messages removed`,
    ),
  );
}

async function withBoard<T>(work: (board: ConsistencyRunsPort) => Promise<T>): Promise<T> {
  const config = await operatorConfig();
  const lanes = new PostgresLanes({
    url: config.DATABASE_URL,
    applicationName: applicationName('cli'),
    lanes: { work: 1 },
    acquireTimeoutMs: config.DB_POOL_TIMEOUT_MS,
    statementTimeoutMs: config.DB_STATEMENT_TIMEOUT_MS,
    slowQueryMs: config.DB_SLOW_QUERY_MS,
    breakers: createBreakers(),
    logger: createLogger('cli', 'silent'),
  });
  try {
    return await work(new PostgresConsistencyRuns(lanes));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNDEFINED_TABLE) {
      throw new Explained('the database is of an earlier version: npm run parley -- migrate');
    }
    if (!(error instanceof DependencyError)) throw error;
    throw new Explained(`Postgres at ${new URL(config.DATABASE_URL).host} does not answer: is it running?`);
  } finally {
    await lanes.close();
  }
}
