import { execFileSync, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { machineLine } from '../bench/report.js';
import { type ChaosFault, chaosFaults } from './faults.js';
import { type Attempt, PacedLoad } from './load.js';
import { measureCapacity, rateFor } from './capacity.js';
import { countAnswers, MemoryWatch, Searcher, servicesMiB, untilWhole } from './observe.js';
import { percentilesOf } from '#lib/testing/percentiles';
import { seededRandom } from '#lib/testing/random';
import { checkMembers, type LiveReport } from './live-truth.js';
import { Members } from './members.js';
import { randomSteps, type Step, stepOf } from './plan.js';
import { brokenPromises, capacityLine, type ChaosResults, type FaultFigures, inSeconds, missedFigures, renderChaos } from './report.js';
import { staleAnswers, wrongAnswers } from './truth.js';
import { tableOf } from '#lib/devstack/terminal/table';
import { checkConsistency, type ConsistencyReport, consistent, countRun } from '#lib/testing/consistency-checker';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { FaultyWorld } from '#lib/testing/faulty-world';
import { ParleyClient } from '#lib/testing/parley-client';
import { projectRoot } from '#lib/devstack/project-root';

const wholeNumber = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('not a whole number');
  return Number(text);
};

const options = new Command('chaos')
  .description('Breaks one thing after another under steady load on a private stack, then two at a time, and checks that nothing was lost.')
  .option('--quick', 'some faults and a short mix, about two minutes', false)
  .option('--long', 'instead: ten minutes of random faults, up to three at once', false)
  .option('--minutes <n>', 'with --long: so many minutes', wholeNumber, 10)
  .option('--matrix', 'instead: every cell of docs/reference/faults.md, most of an hour', false)
  .option('--seed <n>', 'repeat the random faults of a run that printed this seed', wholeNumber)
  .option('--only <text>', 'only faults whose name contains this, and no mix')
  .option('--hold <seconds>', 'how long each fault lasts, instead of a few seconds', wholeNumber)
  .option('--rate <n>', 'messages per second, instead of half of what the machine carries (at most 100)', wholeNumber)
  .option('--users <n>', 'users who send them', wholeNumber, 20)
  .parse()
  .opts<{
    quick: boolean;
    long: boolean;
    minutes: number;
    matrix: boolean;
    seed?: number;
    only?: string;
    hold?: number;
    rate?: number;
    users: number;
  }>();

if (options.matrix) {
  const { status } = spawnSync(process.execPath, [join(projectRoot, 'dist', 'scripts', 'test.js'), 'faults'], {
    stdio: 'inherit',
    env: { ...process.env, PARLEY_LONG_TESTS: '1' },
  });
  process.exit(status ?? 1);
}

/** Before the first fault, so that there is something to compare with. */
const BASELINE_MS = 5_000;
const RANDOM_MS = options.long ? options.minutes * 60_000 : options.only !== undefined ? 0 : options.quick ? 15_000 : 60_000;
/** A run that others can be compared with. */
const LONG_MINUTES = 10;
/** Beside the time to the first success: what the relay waits between two tries, and a backlog to work off. */
const BACKLOG_MS = 45_000;
/** A refusal without a call to a dependency; one with a call takes a second or more. */
const QUICK_MS = 100;
const QUICK_IN_A_ROW = 20;
const LAST_SENDS_MS = 60_000;
const SETTLE_MS = 90_000;
/** What Parley says to what it did. */
const ANSWERS = new Set([200, 202, 204]);
/** Beyond the users' own: a conversation is then shared by several, and still has neighbours. */
const CONVERSATIONS = 10;

const startedAt = performance.now();
const startedOn = new Date();
const say = (line: string) => console.log(`${pc.dim(`${Math.round((performance.now() - startedAt) / 1_000)} s`.padStart(6))} ${line}`);
const seed = options.seed ?? randomInt(1_000_000_000);
const random = seededRandom(seed);

const stopping = new AbortController();
process.once('SIGINT', () => stopping.abort());
process.once('SIGTERM', () => stopping.abort());

say(`seed ${pc.bold(String(seed))}`);
const world = await FaultyWorld.start({ progress: say, twice: true });
let isFine = false;
try {
  isFine = await run();
} finally {
  await world.stop();
  sayHowToRepeat();
}
process.exit(stopping.signal.aborted ? 130 : isFine ? 0 : 1);

async function run(): Promise<boolean> {
  const { parley } = world;
  const names = Array.from({ length: options.users }, (_, i) => `user-${i}`);
  const second = parley.seconds.gateway?.url ?? parley.url;
  const clients = await Promise.all(
    names.map(async (name, i) => new ParleyClient(i % 2 === 0 ? parley.url : second, await parley.tokenOf({ user: name, scopes: [] }))),
  );
  const host = await parley.client('host');
  const conversations = await Promise.all(Array.from({ length: CONVERSATIONS }, () => host.createConversation({ memberIds: names })));
  const conversationIds = conversations.map(({ id }) => id);
  const memory = new MemoryWatch(world);
  const members = await Members.connect(parley, names, conversationIds);
  const load = new PacedLoad({
    clients,
    conversationIds,
    random,
    sockets: members.all.map(({ socket }) => socket),
    onAcknowledged: (id) => members.acknowledged(id),
  });
  const searcher = new Searcher(await parley.client('user-0'));

  const capacity = options.rate === undefined ? await measureCapacity(load) : null;
  const perSecond = capacity === null ? (options.rate ?? 0) : rateFor(capacity);
  load.setRate(perSecond);
  if (capacity !== null) say(capacityLine({ capacity, perSecond }).trim());
  say(`${perSecond} messages/s from ${options.users} users, a third of them over sockets on two realtime processes`);
  const baselineFrom = performance.now();
  await sleep(BASELINE_MS);
  const baseline = percentilesOf(
    load.attemptsBetween(baselineFrom, performance.now()).flatMap(({ ms, status }) => (status === 202 ? [ms] : [])),
  );
  const baselineDelivered = members.waitsBetween(baselineFrom, performance.now());
  say(
    `before any fault: ACK P50 ${baseline.p50} ms, P95 ${baseline.p95} ms, P99 ${baseline.p99} ms; last member after P95 ${baselineDelivered.p95} ms`,
  );

  const faults: FaultFigures[] = [];
  const planned = chaosFaults.filter(
    ({ name, isQuick }) =>
      !options.long && (options.only === undefined || name.includes(options.only)) && (!options.quick || isQuick === true),
  );
  for (const fault of planned) {
    if (!stopping.signal.aborted) faults.push(await endure(stepOf(fault), load, searcher, members));
  }
  const randomly = options.long
    ? randomSteps(seed, chaosFaults)
    : randomSteps(
        seed,
        chaosFaults.filter(({ isLong }) => isLong !== true),
        { least: 2, most: 2 },
      );
  for (const until = performance.now() + RANDOM_MS; performance.now() < until && !stopping.signal.aborted; ) {
    faults.push(await endure(randomly.next().value, load, searcher, members));
  }

  say('no more messages; waiting until everything has settled');
  await Promise.all([load.stop(LAST_SENDS_MS), searcher.stop()]);
  const stoppedAt = performance.now();
  const { problems, live } = await settled(load, members);
  const settledSeconds = (performance.now() - stoppedAt) / 1_000;
  const entries = load.journal.entries;
  const falseSearches = [...staleAnswers(searcher.samples, entries), ...(await wrongAnswers(await parley.client('user-0'), entries))];
  memory.stop();
  await members.stop();
  const results: ChaosResults = {
    startedAt: startedOn.toISOString(),
    command: `npm run chaos${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`,
    machine: machineLine(),
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', timeout: 5_000 }).trim(),
    seed,
    isRandom: options.long,
    seconds: (performance.now() - startedAt) / 1_000,
    perSecond,
    capacity,
    users: options.users,
    baseline,
    baselineDelivered,
    faults,
    counts: countRun(entries, problems),
    settledSeconds,
    problems,
    live,
    liveCounts: {
      members: members.all.length,
      connections: members.all.reduce((sum, { connectionCount }) => sum + connectionCount, 0),
      shown: members.all.reduce((sum, { changeCount }) => sum + changeCount, 0),
    },
    falseSearches,
    searchCount: searcher.samples.length,
    peakMemoryMiB: memory.peakMiB,
  };
  write(results);
  show(results);
  return brokenPromises(results).length === 0;
}

/** Lets one fault happen, or several that overlap, and waits until Parley is whole again. */
async function endure(step: Step<ChaosFault>, load: PacedLoad, searcher: Searcher, members: Members): Promise<FaultFigures> {
  const { faults, pausesMs, holdMs, isBackwards } = step;
  const name = faults.map((fault) => fault.name).join(' + ');
  const memoryBefore = servicesMiB(world);
  const from = performance.now();
  const heals: (() => Promise<void>)[] = [];
  for (const [i, { inflict }] of faults.entries()) {
    heals.push(await inflict(world));
    await sleep(pausesMs[i]);
  }
  const brokenAt = performance.now();
  await sleep(options.hold === undefined ? holdMs : options.hold * 1_000, undefined, {
    signal: stopping.signal,
  }).catch(() => undefined);
  const healingAt = performance.now();
  const memoryThen = servicesMiB(world);
  // What went first comes back first, or last.
  for (const heal of isBackwards ? heals.toReversed() : heals) await heal();
  const clearedAt = performance.now();
  const recoverWithinMs = Math.max(...faults.map((fault) => fault.recoverWithinMs));
  const {
    firsts,
    firstSuccessMs = null,
    wholeMs = null,
    lacks,
  } = await untilWhole(world, load, searcher, members, {
    clearedAt,
    withinMs: recoverWithinMs + BACKLOG_MS,
  });

  const memoryAfter = servicesMiB(world);
  const attempts = load.attemptsBetween(from, clearedAt);
  const changes = load.changesBetween(from, clearedAt);
  const searches = searcher.between(from, clearedAt);
  const msOf = (wanted: (status: number) => boolean) => percentilesOf(attempts.flatMap(({ ms, status }) => (wanted(status) ? [ms] : [])));
  const isRefusal = (status: number) => status === 503 || status === 429;
  const figures: FaultFigures = {
    fault: name,
    atSecond: (from - startedAt) / 1_000,
    heldSeconds: (healingAt - brokenAt) / 1_000,
    ack: msOf((status) => status === 202),
    changed: percentilesOf(changes.flatMap(({ ms, status }) => (status === 200 || status === 204 ? [ms] : []))),
    refused: msOf(isRefusal),
    refusals: countAnswers([...attempts, ...changes].filter(({ status }) => isRefusal(status))),
    refusedOpen: percentilesOf(onceOpen(attempts.filter(({ status }) => isRefusal(status)))),
    unanswered: attempts.filter(({ status }) => status === 0).length,
    wrong: countBy(
      [...attempts, ...changes].map(({ status }) => status).filter((status) => !ANSWERS.has(status) && status !== 0 && !isRefusal(status)),
    ),
    delivered: members.waitsBetween(from, clearedAt),
    search: {
      whole: searches.filter(({ isWhole }) => isWhole).length,
      degraded: searches.filter(({ isWhole, status }) => status === 200 && !isWhole).length,
      refused: searches.filter(({ status }) => status !== 200).length,
      p95: percentilesOf(searches.map(({ ms }) => ms)).p95,
    },
    firstSuccessMs,
    firsts,
    wholeMs,
    lacks,
    recoverWithinMs,
    memoryMiB: Object.fromEntries(
      Object.entries(memoryBefore).map(([name, before]) => [name, [before, memoryThen[name] ?? 0, memoryAfter[name] ?? 0]]),
    ),
    mustAccept: faults.every(({ target }) => target !== 'postgres' && target !== 'gateway'),
  };
  say(lineOf(figures));
  members.spread();
  return figures;
}

/** How long the refusals took, from where so many in a row were quick that the breaker must be open. */
function onceOpen(refusals: readonly Attempt[]): number[] {
  const inOrder = refusals.toSorted((one, other) => one.at - other.at);
  const isQuick = (attempt: Attempt | undefined) => attempt !== undefined && attempt.ms < QUICK_MS;
  const first = inOrder.findIndex((_, i) => Array.from({ length: QUICK_IN_A_ROW }, (__, j) => inOrder[i + j]).every(isQuick));
  return first < 0 ? [] : inOrder.slice(first).map(({ ms }) => ms);
}

function lineOf({
  fault,
  ack,
  refused,
  unanswered,
  delivered,
  firstSuccessMs,
  wholeMs,
  recoverWithinMs,
  mustAccept,
  refusals,
  lacks,
}: FaultFigures): string {
  const isLate = firstSuccessMs === null || firstSuccessMs > recoverWithinMs;
  const accepted = `${ack.count} accepted, P95 ${ack.p95} ms, last member P95 ${delivered.p95} ms`;
  const others =
    refused.count + unanswered === 0 ? '' : `, ${refused.count} refused (longest ${refused.max} ms), ${unanswered} without an answer`;
  const codes = Object.entries(refusals).map(([answer, count]) => `${count} x ${answer}`);
  const why = codes.length === 0 ? '' : ` [sends and changes: ${codes.join(', ')}]`;
  const isSlow = mustAccept && (ack.p95 >= 200 || others !== '');
  const back = `back after ${inSeconds(firstSuccessMs)}, whole after ${inSeconds(wholeMs)}${lacks.length === 0 ? '' : ` (${lacks.join('; ')})`}`;
  return `${pc.bold(fault)}  ${isSlow ? pc.yellow(accepted + others) : accepted + others}${why}; ${isLate || wholeMs === null ? pc.red(back) : pc.green(back)}`;
}

/** Asks until there is nothing to complain about, or until the time is over. */
async function settled(load: PacedLoad, members: Members): Promise<{ problems: ConsistencyReport; live: LiveReport }> {
  const until = performance.now() + SETTLE_MS;
  const local = new LocalEmbedder();
  const embed = (texts: readonly string[]) => local.embed(texts);
  for (;;) {
    for (const member of members.all) member.readAll();
    const live = await checkMembers(world.parley, members.all);
    const quick = await checkConsistency(world.parley, load.journal.entries);
    const isQuiet = [...Object.values(quick), ...Object.values(live)].every((lines) => lines.length === 0);
    const problems = isQuiet ? await checkConsistency(world.parley, load.journal.entries, { embed }) : quick;
    const isConsistent = isQuiet && Object.keys(consistent).every((name) => problems[name as keyof ConsistencyReport].length === 0);
    if (isConsistent || performance.now() > until) return { problems, live };
    await sleep(500);
  }
}

function countBy(statuses: readonly number[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(statuses, (status) => status)].map(([status, all]) => [status, all.length]));
}

/** What is published comes from a whole run; others are only looked at. */
function write(results: ChaosResults): void {
  const isPart = options.quick || options.only !== undefined || options.hold !== undefined;
  const isShort = options.long && options.minutes !== LONG_MINUTES;
  const place = isPart || isShort ? 'test/bench/results/quick' : 'test/bench/results';
  const name = options.long ? 'chaos-long' : 'chaos';
  mkdirSync(place, { recursive: true });
  const few = (lines: readonly string[]) => lines.slice(0, 50);
  const fewOf = (report: object) =>
    Object.fromEntries(Object.entries(report).map(([name, lines]: [string, string[]]) => [name, few(lines)]));
  const [problems, live] = [fewOf(results.problems), fewOf(results.live)];
  const falseSearches = few(results.falseSearches);
  writeFileSync(`${place}/${name}.json`, `${JSON.stringify({ ...results, problems, live, falseSearches }, null, 2)}\n`);
  writeFileSync(`${place}/${name}.md`, renderChaos(results));
}

function show(results: ChaosResults): void {
  const { counts, faults, problems, live } = results;
  const rows = faults.map(({ fault, ack, refused, unanswered, delivered, search, firstSuccessMs, wholeMs }) => [
    fault,
    `${ack.p50} / ${ack.p95} / ${ack.p99}`,
    ack.count,
    refused.count + unanswered,
    refused.max,
    delivered.p95,
    `${search.whole} / ${search.degraded} / ${search.refused}`,
    inSeconds(firstSuccessMs),
    inSeconds(wholeMs),
  ]);
  const head = [
    'fault',
    'ACK P50/P95/P99 ms',
    '202',
    'refused',
    'longest ms',
    'last member P95 ms',
    'search whole/degraded/refused',
    'back',
    'whole',
  ];
  const lines = [...Object.values(problems), ...Object.values(live), results.falseSearches].flatMap((found: readonly string[]) =>
    found.slice(0, 5),
  );
  const broken = brokenPromises(results);
  console.log(`\n${tableOf(head, rows)}\n${tableOf(Object.keys(counts), [Object.values(counts)])}`);
  console.log(tableOf(['peak memory, MiB', ''], Object.entries(results.peakMemoryMiB)));
  for (const line of missedFigures(results)) console.log(pc.yellow(`missed: ${line}`));
  for (const line of lines) console.log(pc.red(`  ${line}`));
  console.log(tableOf(Object.keys(live), [Object.values(live).map((lines) => lines.length)]));
  console.log(
    broken.length === 0
      ? pc.green(
          'nothing lost, nothing repeated, no gap, no dead letter, no search that showed what was not so, every member saw every message once and in order',
        )
      : pc.red(`broken: ${broken.join(', ')}`),
  );
}

/** The same plan again; the load of another day may meet it at other moments. */
function sayHowToRepeat(): void {
  const others = process.argv.slice(2).filter((arg, i, all) => arg !== '--seed' && all[i - 1] !== '--seed');
  const command = `npm run chaos -- ${[...others, '--seed', seed].join(' ')}`;
  console.log(isFine ? pc.dim(`repeat with: ${command}`) : pc.red(`failed with seed ${seed}, repeat with: ${command}`));
}
