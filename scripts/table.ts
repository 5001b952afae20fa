import Table from 'cli-table3';
import pc from 'picocolors';

/** Rows under a bold head without lines between them; colours only where the terminal wants them. */
export function tableOf(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const table = new Table({
    head: head.map((cell) => pc.bold(cell)),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
