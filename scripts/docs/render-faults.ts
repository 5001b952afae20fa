import { matrix } from '../../test/faults/matrix.js';
import { cellsOf, describeSeen, type Operation, operations, type Outage, seconds } from '../../test/faults/outage.js';

const INTRODUCTION = `# When something is away

Printed by \`npm run docs\` from \`test/faults/matrix.ts\`; each cell is a test (\`test/faults/table.ts\`).
\`npm test -- faults\` runs the outages marked with ●, \`npm run chaos -- --matrix\` (or \`PARLEY_LONG_TESTS=1 npm test -- faults\`) all of them.
\`npm run chaos\` does the same and worse under load and counts what became of every message: \`test/bench/results/chaos.md\`.

Under light traffic one dependency or several are taken away by a proxy before them, or by the server itself, or processes of Parley get into trouble, and all is given back. In every outage:
nothing acknowledged is lost, nothing is stored twice, \`seq\` has no gap, no attempt is counted, nothing is dead-lettered or parked,
no process ends or grows without bound. *live*: \`/livez\` of every process. *send there*: sending to the conversation that a fault is about. *consume*: indexing a message from its queue. *deliver*: bringing it to the sockets of its members. *relay*: bringing events from the outbox to RabbitMQ.
*end*: ending a conversation with its log; *score*: scoring it; *store*: moving its log to the object store; *push*: telling the device of a member who is offline; in the outages that they could notice.
*P95*: once the breaker is open; a trial of a half-open breaker, one in ten seconds, may take as long as a first failure.
Tests on shared machines hold the limits below one second only to that order; \`npm run chaos\` measures them.
`;

/** `docs/reference/faults.md`. */
export const renderFaults = (): string =>
  [
    INTRODUCTION,
    ...[...Map.groupBy(matrix, ({ subject }) => subject)].map(([subject, outages]) => {
      const looked = operations.filter((operation) => outages.some(({ cells }) => cells[operation] !== undefined));
      const head = `| | how | ${looked.join(' | ')} |\n| --- | --- |${' --- |'.repeat(looked.length)}`;
      return `## ${subject}\n\n${backOf(outages)}\n\n${head}\n${outages.map((outage) => rowOf(outage, looked)).join('\n')}\n`;
    }),
  ].join('\n');

const rowOf = (outage: Outage, looked: readonly Operation[]): string => {
  const seen = new Map(cellsOf(outage));
  const cells = looked.map((operation) => {
    const cell = seen.get(operation);
    return cell === undefined ? '-' : describeSeen(operation, cell);
  });
  return `| **${outage.mode}**${outage.isInCut ? ' ●' : ''} | ${outage.means} | ${cells.join(' | ')} |`;
};

const backOf = (outages: readonly Outage[]): string => {
  const limits = [...new Set(outages.map(({ recoversWithinMs }) => recoversWithinMs))];
  const [shortest, longest] = [seconds(Math.min(...limits)), seconds(Math.max(...limits))];
  return `Back in use within ${limits.length === 1 ? longest : `${shortest} to ${longest}`} after it is there again, every operation.`;
};
