import { createInterface } from 'node:readline/promises';
import { Explained } from '#lib/devstack/terminal/explain';

/** Asks before what cannot be undone. @param what it does: `removes 3 dead letters for good`. @throws Explained unless the answer is yes. */
export async function confirm(what: string): Promise<void> {
  if (!process.stdin.isTTY) throw new Explained(`this ${what}: say --yes`, 2);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`This ${what}. Type yes to go on: `);
  terminal.close();
  if (answer.trim().toLowerCase() !== 'yes') throw new Explained('nothing was removed');
}
