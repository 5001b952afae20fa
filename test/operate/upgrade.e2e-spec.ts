import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';
import { filesOfPreviousRelease, whyNoPreviousRelease } from '#lib/testing/previous-release';

const FOLDER = 'libs/database/src/adapters/migrations';

/** What the release before does not survive while it runs, with what is said of it. A table that is new since may be changed as one likes. */
const CONTRACTS: readonly (readonly [RegExp, string])[] = [
  [/\bDROP\s+(?:TABLE|COLUMN|VIEW|TYPE|SCHEMA|FUNCTION)\b/i, 'drops what the release before may use'],
  [/\bRENAME\s+(?:TO|COLUMN|CONSTRAINT)\b/i, 'renames what the release before may use'],
  [/\bADD\s+COLUMN\s+(?!.*\bDEFAULT\b)[^,;`]*\bNOT\s+NULL\b/i, 'adds a column that the release before does not fill'],
  [/\bSET\s+NOT\s+NULL\b/i, 'demands a value that the release before may leave out'],
  [/\bALTER\s+COLUMN\s+\S+\s+(?:SET\s+DATA\s+)?TYPE\b/i, 'changes the type of a column under the release before'],
  [/\bADD\s+CONSTRAINT\b(?![^;`]*\bNOT\s+VALID\b)/i, 'reads a whole table while it is locked, and refuses what the release before writes'],
  [/\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)/i, 'stops writes until the index is built'],
  [/^\s*TRUNCATE\b|\bDELETE\s+FROM\b/i, 'removes rows'],
];

/** By file, with the reason: the release that stopped using what is removed comes before the one that removes it. */
const LISTED: Readonly<Record<string, string>> = {
  'end-scores-with-ends.ts': 'removes rows of tables that the release before does not have; a subquery hides that from this test',
};

/** Findings in one migration; what concerns a table in `ownTables` is none. */
function contractsIn(source: string, ownTables: ReadonlySet<string>): string[] {
  const statements = [...source.matchAll(/`([^`]*)`|'((?:[^'\\\n]|\\.)*)'/g)].map(([, template, quoted]) => template ?? quoted ?? '');
  return statements.flatMap((statement) => {
    const tables = [...statement.matchAll(/\b(?:TABLE(?:\s+IF\s+(?:NOT\s+)?EXISTS)?|ON|FROM)\s+([a-z_]+)/g)].map(([, table = '']) => table);
    if (tables.length > 0 && tables.every((table) => ownTables.has(table))) return [];
    return CONTRACTS.filter(([pattern]) => pattern.test(statement)).map(
      ([, what]) => `${what}: ${statement.trim().replaceAll(/\s+/g, ' ').slice(0, 80)}`,
    );
  });
}

const tablesMadeBy = (sources: readonly string[]): Set<string> =>
  new Set(sources.flatMap((source) => [...source.matchAll(/CREATE TABLE ([a-z_]+)/g)].map(([, table = '']) => table)));

describe('the look at migrations', () => {
  it.each([
    ["await runner.query('ALTER TABLE messages DROP COLUMN seq')", 1],
    ["await runner.query('ALTER TABLE messages RENAME COLUMN seq TO place')", 1],
    ["await runner.query('ALTER TABLE messages ADD COLUMN place int NOT NULL')", 1],
    ["await runner.query('ALTER TABLE messages ADD COLUMN place int NOT NULL DEFAULT 0')", 0],
    ["await runner.query('ALTER TABLE messages ADD COLUMN place int')", 0],
    ["await runner.query('ALTER TABLE messages ALTER COLUMN seq TYPE int')", 1],
    ["await runner.query('ALTER TABLE messages ALTER COLUMN body SET NOT NULL')", 1],
    ["await runner.query('CREATE INDEX messages_place ON messages (place)')", 1],
    ["await runner.query('CREATE INDEX CONCURRENTLY messages_place ON messages (place)')", 0],
    ["await runner.query('CREATE INDEX songs_place ON songs (place)')", 0],
    ['await runner.query(`\n  DROP TABLE messages\n`)', 1],
    ["await runner.query('DROP TABLE songs')", 0],
  ])('finds in %s as many as %i', (source, count) => {
    expect(contractsIn(source, new Set(['songs']))).toHaveLength(count);
  });
});

it('every migration since the last release only expands the schema, so that its processes go on working', async ({ skip }) => {
  const whyNot = await whyNoPreviousRelease();
  if (whyNot !== undefined) skip(whyNot);
  const before = new Set((await filesOfPreviousRelease(FOLDER)).map((path) => path.slice(FOLDER.length + 1)));
  const files = readdirSync(join(projectRoot, FOLDER)).filter((file) => !before.has(file) && /(?<!spec)\.ts$/.test(file));
  const sources = new Map(files.map((file) => [file, readFileSync(join(projectRoot, FOLDER, file), 'utf8')]));
  const own = tablesMadeBy([...sources.values()]);
  const found = files.flatMap((file) => contractsIn(sources.get(file) ?? '', own).map((what) => `${file} ${what}`));
  expect(found.filter((line) => LISTED[line.split(' ')[0] ?? ''] === undefined)).toEqual([]);
  expect(Object.keys(LISTED).filter((file) => !found.some((line) => line.startsWith(file)))).toEqual([]);
});

it('no migration of before was changed or removed: databases have it already', async ({ skip }) => {
  const whyNot = await whyNoPreviousRelease();
  if (whyNot !== undefined) skip(whyNot);
  const now = new Set(readdirSync(join(projectRoot, FOLDER)));
  const before = (await filesOfPreviousRelease(FOLDER)).map((path) => path.slice(FOLDER.length + 1));
  expect(before.filter((file) => !file.includes('spec') && !now.has(file))).toEqual([]);
});
