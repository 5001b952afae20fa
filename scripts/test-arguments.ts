import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { projectRoot } from '#lib/devstack/project-root';
import { Explained } from '#lib/devstack/terminal/explain';

/** The Vitest projects, from fast to whole, with what they are; see vitest.config.ts. */
export const kinds = {
  unit: 'one piece of code at a time, without servers',
  integration: 'adapters against real servers',
  operate: 'charts, alert rules, dashboards and the image, by the tools of their fields',
  journeys: 'what a user or an operator would notice, all processes together',
  embedded: 'the embedded mode: the same journeys in one process, and what is its own',
  console: 'the web console in a real browser against the whole of Parley',
  attacks: 'what one caller can do to the others, to the data and to the processes',
  faults: 'servers that fail, hang and lie (PARLEY_LONG_TESTS=1: all of them)',
} as const;
export type Kind = keyof typeof kinds;
/** Lint, types, structure, dead code. */
const CHECKS = 'checks';
const TEST_FILE = /\.(spec|int-spec|e2e-spec)\.ts$/;

/** What was asked for; nothing is everything. */
export interface Wanted {
  readonly checks: boolean;
  readonly kinds: readonly Kind[];
  /** Fragments of paths of test files. */
  readonly filters: readonly string[];
  /** Only tests that reach a file which differs from this commit, for Vitest; undefined: all. */
  readonly changedSince: string | undefined;
}

/**
 * Reads the arguments of `npm test`. @throws Explained, exit code 2, for a word that is neither a kind nor part of a test file's path: to run
 * everything instead would cost minutes and prove nothing. `--help` prints it all once and ends the process.
 */
export function wantedFrom(args: readonly string[], files: readonly string[] = testFiles()): Wanted {
  const program = new Command('npm test --')
    .description('Checks Parley: lint, types, structure, dead code, then every test against private real servers.')
    .argument('[words...]', `kinds (${[CHECKS, ...allKinds].join(', ')}) and fragments of paths of test files; nothing is everything`)
    .option('--changed [commit]', 'only tests that reach a file changed since this commit (default: uncommitted changes)')
    .addHelpText(
      'after',
      `\nKinds:\n${descriptions()}\n\nFor example: npm test -- checks · npm test -- unit libs/bus · npm test -- --changed main`,
    )
    .configureOutput({ writeErr: () => undefined })
    .exitOverride((error) => {
      if (error.exitCode === 0) process.exit(0);
      throw new Explained(`${error.message.replace(/^error: /, '')}; see npm test -- --help`, 2);
    });
  program.parse([...args], { from: 'user' });
  const { changed } = program.opts<{ changed?: string | true }>();
  const isKind = (word: string): word is Kind => word in kinds;
  const filters = program.args.filter((word) => word !== CHECKS && !isKind(word));
  refuseUnknown(filters, files);
  const named = program.args.filter(isKind);
  const hasChecks = program.args.includes(CHECKS);
  return {
    checks: hasChecks || program.args.length === 0,
    kinds: named.length > 0 || (hasChecks && filters.length === 0) ? named : allKinds,
    filters,
    changedSince: changed === true ? 'HEAD' : changed,
  };
}

const allKinds = Object.keys(kinds) as Kind[];

function refuseUnknown(filters: readonly string[], files: readonly string[]): void {
  for (const filter of filters) {
    const meant = [CHECKS, ...allKinds].find((kind) => distance(filter, kind) <= 2);
    // A bare word that is almost a kind is a typing mistake, even where some path happens to have it inside.
    if (meant !== undefined) throw new Explained(`${filter}: did you mean ${meant}? Kinds:\n${descriptions()}`, 2);
  }
  const unknown = filters.filter((filter) => !files.some((file) => file.includes(filter.replace(/^\.\//, ''))));
  if (unknown.length === 0) return;
  throw new Explained(
    `no kind of test and no test file is called ${unknown.join(', ')}. Kinds:\n${descriptions()}\nor a part of a test file's path, such as libs/bus`,
    2,
  );
}

/** Letters to add, remove or replace (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (const [i, letter] of Array.from(one).entries()) {
    const next = [i + 1];
    for (const [j, each] of Array.from(other).entries()) {
      next.push(Math.min((row[j] ?? 0) + (letter === each ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function descriptions(): string {
  return Object.entries({ [CHECKS]: 'lint, types, structure, dead code', ...kinds })
    .map(([name, what]) => `  ${name.padEnd(12)} ${what}`)
    .join('\n');
}

function testFiles(): string[] {
  return ['apps', 'clients', 'libs', 'scripts', 'test'].flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => TEST_FILE.test(file))
      .map((file) => relative(projectRoot, join(projectRoot, folder, file))),
  );
}
