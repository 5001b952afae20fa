import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { settings } from '#lib/runtime/config/config';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { explainAndExit } from '#lib/devstack/terminal/explain';
import { type Kind, type Wanted, wantedFrom } from './test-arguments.js';
import { COUNTS_FILE_VARIABLE, type SkippedTests, type TestCounts } from './vitest-counts.js';

const NEEDS_STACK: readonly Kind[] = ['integration', 'journeys', 'embedded', 'console', 'attacks'];
const CHECK_WITHIN_MS = 180_000;
/** Checks that run side by side: most use one core. */
const AT_ONCE = Math.min(4, availableParallelism());
const PROJECT_WITHIN_MS = 1_800_000;
const STACK_VARIABLE = 'PARLEY_TEST_STACK';
/** What is said to the tests themselves: a stack that already runs; the tests that take long; where attacks write what they saw. */
const FOR_TESTS = [STACK_VARIABLE, 'PARLEY_LONG_TESTS', 'PARLEY_ATTACK_RESULTS'];

const stopping = new AbortController();
const startedAt = performance.now();
const tally = { passed: 0, failures: [] as string[], skipped: [] as SkippedTests[] };
let stack: Promise<PrivateStack> | undefined;

process.on('SIGINT', () => stopping.abort());
process.on('SIGTERM', () => stopping.abort());
try {
  await runAll(wantedFrom(process.argv.slice(2)));
} catch (error) {
  explainAndExit(error);
}

async function runAll(wanted: Wanted): Promise<void> {
  const env = ownEnvironment();
  try {
    // The servers come up while the checks run.
    if (wanted.kinds.some((project) => NEEDS_STACK.includes(project)) && env[STACK_VARIABLE] === undefined) {
      stack = startPrivateStack({ progress: (line) => process.stdout.write(`  ${pc.dim(line)}\n`) });
      stack.catch(() => undefined); // reported where it is waited for
    }
    if (wanted.checks) await atOnce(AT_ONCE, checkCommands(), (command) => check(command, env));
    for (const project of wanted.kinds) await test(project, wanted, env);
  } finally {
    await stack?.then((running) => running.stop()).catch(() => undefined);
  }
  if (tally.passed + tally.failures.length === 0 && wanted.changedSince === undefined) tally.failures.push('no test ran');
  report();
  process.exit(stopping.signal.aborted ? 130 : tally.failures.length === 0 ? 0 : 1);
}

/** At most so many at a time, begun in their order. */
async function atOnce<T>(limit: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}

/** What `npm run typecheck` and `npm run lint` do, one step for each command, so that package.json stays the only list. */
function checkCommands(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  return [scripts['lint'], scripts['typecheck']].flatMap((script) => script?.split(' && ') ?? []);
}

async function check(command: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (stopping.signal.aborted) return;
  const began = performance.now();
  const result = await runCommand('/bin/sh', ['-c', command], {
    timeoutMs: CHECK_WITHIN_MS,
    env,
    cwd: projectRoot,
    cancelled: stopping.signal,
  }).catch((error: Error) => ({ code: 1, stdout: '', stderr: error.message }));
  if (result.code === 0) tally.passed += 1;
  else tally.failures.push(command);
  mark(result.code === 0, command, began);
  if (result.code !== 0) process.stdout.write(`${(result.stdout + result.stderr).trim()}\n\n`);
}

async function test(project: Kind, { filters, changedSince }: Wanted, env: NodeJS.ProcessEnv): Promise<void> {
  if (stopping.signal.aborted) return;
  const began = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'parley-counts-'));
  try {
    const countsFile = join(folder, 'counts.json');
    const urls = NEEDS_STACK.includes(project) ? await stackVariable() : {};
    if (stopping.signal.aborted) return;
    process.stdout.write(`\n${pc.bold(project)}\n`);
    const code = await vitest(project, [...filters, ...(changedSince === undefined ? [] : [`--changed=${changedSince}`])], {
      ...env,
      ...urls,
      [COUNTS_FILE_VARIABLE]: countsFile,
    });
    const failed = add(project, readCounts(countsFile), code, filters.length > 0 || changedSince !== undefined);
    mark(failed === 0, project, began);
  } catch (error) {
    tally.failures.push(`${project}: ${error instanceof Error ? error.message : String(error)}`);
    mark(false, project, began);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function stackVariable(): Promise<NodeJS.ProcessEnv> {
  if (stack === undefined) return {};
  const { databaseUrl, rabbitmqUrl, rabbitmqManagementUrl, redisUrl, chromaUrl } = await stack;
  return { [STACK_VARIABLE]: JSON.stringify({ databaseUrl, rabbitmqUrl, rabbitmqManagementUrl, redisUrl, chromaUrl }) };
}

/** Adds one project's counts and returns how many failures that were. */
function add(project: Kind, counts: TestCounts | undefined, code: number, isFiltered: boolean): number {
  const failures = [...(counts?.failures ?? [])];
  const ran = (counts?.passed ?? 0) + failures.length;
  if (code !== 0 && failures.length === 0) failures.push(`${project}: vitest ended with code ${code}`);
  else if (ran === 0 && !isFiltered) failures.push(`${project}: no test ran`);
  tally.passed += counts?.passed ?? 0;
  tally.failures.push(...failures);
  tally.skipped.push(...(counts?.skipped ?? []));
  return failures.length;
}

function vitest(project: Kind, filters: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const reporter = join(import.meta.dirname, 'vitest-counts.js');
  const args = ['run', '--project', project, '--passWithNoTests', '--reporter=default', `--reporter=${reporter}`, ...filters];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(projectRoot, 'node_modules', 'vitest', 'vitest.mjs'), ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env,
      cwd: projectRoot,
    });
    const kill = () => child.kill('SIGKILL');
    const timer = setTimeout(kill, PROJECT_WITHIN_MS);
    // The terminal's Ctrl-C has reached it too; one that does not end by itself gets no second chance.
    stopping.signal.addEventListener('abort', () => setTimeout(kill, 5_000), { once: true });
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(timer);
      resolve(code ?? 1);
    });
  });
}

function readCounts(file: string): TestCounts | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as TestCounts;
  } catch {
    return undefined; // it ended before it could count
  }
}

/** Tests never see what the caller's environment points to: no database of theirs, no broker, no key. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = new Set(Object.keys(settings).flatMap((name) => [name, `${name}_FILE`]));
  const isForeign = (name: string) => foreign.has(name) || (name.startsWith('PARLEY_') && !FOR_TESTS.includes(name));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)));
}

function mark(isGood: boolean, what: string, began: number): void {
  const time = pc.dim(`${((performance.now() - began) / 1_000).toFixed(1)} s`);
  process.stdout.write(`${isGood ? pc.green('ok    ') : pc.red('FAILED')} ${what} ${time}\n`);
}

function report(): void {
  const { passed, failures, skipped } = tally;
  const skippedCount = skipped.reduce((sum, { count }) => sum + count, 0);
  const lines = [
    '',
    ...skipped.map(({ file, reason, count }) => `skipped: ${count} in ${file} (${reason})`),
    ...failures.map((name) => pc.red(`failed: ${name}`)),
    pc.dim(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s in all${stopping.signal.aborted ? ', interrupted' : ''}`),
    `${passed} passed, ${failures.length} failed${skippedCount === 0 ? '' : `, ${skippedCount} skipped`}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
