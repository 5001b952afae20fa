import { faultyDependencies } from '#lib/testing/faulty-world';
import { cellsOf, describeSeen, matrix, RECOVERS_WITHIN_MS } from '../../test/faults/matrix.js';

const INTRODUCTION = `# When something is away

Printed by \`npm run docs\` from \`test/faults/matrix.ts\`; each cell is a test (\`test/faults/table.ts\`).
\`npm test -- faults\` runs the outages marked with ●, \`npm run chaos -- --matrix\` (or \`PARLEY_LONG_TESTS=1 npm test -- faults\`) all of them.
\`npm run chaos\` does the same and worse under load and counts what became of every message: \`test/bench/results/chaos.md\`.

Under light traffic one dependency is taken away by a proxy before it, or by the server itself, and given back. In every outage:
nothing acknowledged is lost, nothing is stored twice, \`seq\` has no gap, no attempt is counted, nothing is dead-lettered or parked,
no process is restarted. *consume*: indexing a message from its queue. *deliver*: bringing it to the sockets of its members. *relay*: bringing events from the outbox to RabbitMQ.
*end*: ending a conversation with its log; *score*: scoring it; *store*: moving its log to the object store; in the outages that they could notice.
*P95*: once the breaker is open; a trial of a half-open breaker, one in ten seconds, may take as long as a first failure.
Tests on shared machines hold the limits below one second only to that order; \`npm run chaos\` measures them.
`;

/** `docs/reference/faults.md`. */
export const renderFaults = (): string =>
  [
    INTRODUCTION,
    ...faultyDependencies.map((dependency) => {
      const outages = matrix.filter((outage) => outage.dependency === dependency);
      const looked = outages.slice(0, 1).flatMap((outage) => cellsOf(outage).map(([operation]) => operation));
      const head = `| | how | ${looked.join(' | ')} |\n| --- | --- |${' --- |'.repeat(looked.length)}`;
      const rows = outages.map(
        (outage) =>
          `| **${outage.mode}**${outage.isInCut ? ' ●' : ''} | ${outage.means} | ${cellsOf(outage)
            .map(([operation, seen]) => describeSeen(operation, seen))
            .join(' | ')} |`,
      );
      const back = `Back in use within ${RECOVERS_WITHIN_MS[dependency] / 1_000} s after it is there again, every operation.`;
      return `## ${dependency}\n\n${back}\n\n${head}\n${rows.join('\n')}\n`;
    }),
  ].join('\n');
