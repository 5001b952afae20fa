import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests mostly wait; left to itself Vitest would run one file at a time on two cores. */
const cores = Math.max(2, availableParallelism());

const shared = {
  environment: 'node' as const,
  // As long as `eventually` waits: the second that Vitest waits by itself is short on a machine that does other things.
  expect: { poll: { timeout: 10_000 } },
  setupFiles: ['./vitest.setup.ts'],
  // The client of the MCP SDK leans on a package that offers its TypeScript under our condition `source`, which Node refuses to run.
  server: { deps: { inline: [/sdk\/dist\/esm\/client\/streamableHttp/, /eventsource-parser/] } },
};

/** Journeys that one process takes as well: the same files, with all apps in one process on a Postgres (`isEmbedded`). */
const embeddedJourneys = [
  'agents',
  'changing',
  'client',
  'delivery',
  'exactly-once',
  'graceful-stop',
  'malformed',
  'push',
  'searchable',
  'signals',
].map((name) => `test/journeys/${name}.e2e-spec.ts`);

/** Projects, from fast to whole: `npm test -- unit` runs one of them. Names and file patterns: CONTRIBUTING.md. */
export default defineConfig({
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    projects: [
      {
        extends: true,
        // Re-importing Nest per file is four fifths of the time of an isolated run; unit tests share no state.
        test: {
          ...shared,
          name: 'unit',
          include: ['{apps,clients,libs,scripts}/**/*.spec.ts', 'test/{bench,chaos,docs}/**/*.spec.ts'],
          isolate: false,
          // A limit against what hangs; how fast something is no unit test asks.
          testTimeout: 20_000,
          hookTimeout: 30_000,
          // Two fifths of two cores are in use when two files run at once.
          maxWorkers: 2 * cores,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'integration',
          include: ['{apps,libs}/**/*.int-spec.ts'],
          maxWorkers: cores,
          globalSetup: ['./libs/testing/src/vitest-stack.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'operate',
          include: ['test/operate/**/*.e2e-spec.ts'],
          maxWorkers: cores,
          testTimeout: 60_000,
          // What a machine lacks is fetched from the package registries, once.
          hookTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'journeys',
          include: ['test/journeys/**/*.e2e-spec.ts'],
          globalSetup: ['./libs/testing/src/vitest-stack.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each file has a Parley, a database and a virtual host of its own, and waits most of its time; more do not fit into one Postgres.
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'embedded',
          include: ['test/embedded/**/*.e2e-spec.ts', ...embeddedJourneys],
          env: { PARLEY_TEST_EMBEDDED: '1' },
          globalSetup: ['./libs/testing/src/vitest-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'console',
          include: ['test/console/**/*.e2e-spec.ts'],
          globalSetup: ['./libs/testing/src/vitest-stack.ts'],
          testTimeout: 60_000,
          // A machine without Chromium fetches it, once.
          hookTimeout: 600_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        // Servers of its own: what it does to them no other test should meet.
        test: {
          ...shared,
          name: 'faults',
          include: ['test/faults/**/*.e2e-spec.ts'],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'attacks',
          include: ['test/attacks/**/*.e2e-spec.ts'],
          globalSetup: ['./libs/testing/src/vitest-stack.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // What bystanders notice is measured: no other file may be what they notice.
          fileParallelism: false,
        },
      },
    ],
  },
});
