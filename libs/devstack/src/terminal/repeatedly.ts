import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 2_000;
/** Cursor to the upper left, then everything below it away: without the flicker of clearing first. */
const FROM_THE_TOP = '\u001b[H\u001b[J';

/** Shows something once, or for `--watch` again and again until Ctrl-C; one that fails is shown and tried again. */
export async function repeatedly(isWatched: boolean | undefined, show: () => Promise<void>): Promise<void> {
  if (isWatched !== true) return show();
  process.once('SIGINT', () => process.exit(0));
  for (;;) {
    if (process.stdout.isTTY) process.stdout.write(FROM_THE_TOP);
    await show().catch((error: unknown) => process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`));
    await sleep(EVERY_MS);
  }
}
