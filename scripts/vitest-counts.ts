import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** The variable that tells this reporter where to write {@link TestCounts} as JSON. */
export const COUNTS_FILE_VARIABLE = 'PARLEY_TEST_COUNTS_FILE';

/** Tests of one file that were skipped for the same reason. */
export interface SkippedTests {
  readonly file: string;
  /** What the tests say themselves, else the group they are in, whose name should say when it runs. */
  readonly reason: string;
  readonly count: number;
}

/** How a run of one Vitest project went. */
export interface TestCounts {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly skipped: readonly SkippedTests[];
}

/** A Vitest reporter that only counts, for `npm test` to add up; what failed and why is shown by Vitest's own reporter beside it. */
export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { readonly message?: string }[]): void {
    const file = process.env[COUNTS_FILE_VARIABLE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(countsOf(modules, unhandled)));
  }
}

function countsOf(modules: readonly TestModule[], unhandled: readonly { readonly message?: string }[]): TestCounts {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const inState = (state: string) => tests.filter((test) => test.result().state === state);
  return {
    passed: inState('passed').length,
    failures: [
      ...inState('failed').map(nameOf),
      // A file that could not be loaded, or whose hooks failed, has no failed test of its own.
      ...modules.filter((module) => module.errors().length > 0).map((module) => module.relativeModuleId),
      ...modules.flatMap((module) =>
        [...module.children.allSuites()].filter((suite) => suite.errors().length > 0).map((suite) => suite.fullName),
      ),
      ...unhandled.map(({ message = 'unknown' }) => `an error outside of any test: ${message.split('\n')[0]}`),
    ],
    skipped: inGroups(inState('skipped')),
  };
}

function nameOf(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}

function inGroups(tests: readonly TestCase[]): SkippedTests[] {
  const groups = new Map<string, SkippedTests>();
  for (const test of tests) {
    const { relativeModuleId: file } = test.module;
    const reason = reasonOf(test);
    const key = `${file} ${reason}`;
    groups.set(key, { file, reason, count: (groups.get(key)?.count ?? 0) + 1 });
  }
  return [...groups.values()];
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  const said = result.state === 'skipped' ? result.note : undefined;
  return said ?? test.fullName.split(' > ')[0] ?? test.name;
}
