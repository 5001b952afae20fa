import { printable } from './printable.js';

/** Prints what `--json` asks for; a terminal may show it too. */
export const printJson = (answer: unknown): void => void process.stdout.write(`${printable(JSON.stringify(answer, undefined, 2))}\n`);
