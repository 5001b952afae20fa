import pc from 'picocolors';

/** Something that the person at the terminal can put right; the message says how. */
export class Explained extends Error {
  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
    this.name = 'Explained';
  }
}

/** The end of a command that failed: one readable message on stderr, a stack trace only for our own mistakes, and an exit code. */
export function explainAndExit(error: unknown): never {
  if (error instanceof Explained) leave(error.message, error.exitCode);
  if (error instanceof TypeError && error.message === 'fetch failed') leave(`Parley cannot be reached: ${reasonOf(error)}`, 1);
  leave(error instanceof Error ? (error.stack ?? error.message) : String(error), 70); // sysexits EX_SOFTWARE
}

function leave(message: string, exitCode: number): never {
  process.stderr.write(`${pc.red('error:')} ${message}\n`);
  process.exit(exitCode);
}

/** What went wrong, with its causes: "fetch failed" alone would not say that no process listens there. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || ('code' in error ? String(error.code) : error.name);
  return error.cause === undefined ? own : `${own}: ${reasonOf(error.cause)}`;
}
