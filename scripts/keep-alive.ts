import { setTimeout as sleep } from 'node:timers/promises';

/** What {@link KeepAlive} needs of a server or a service. */
export interface Revivable {
  readonly name: string;
  start(): Promise<void>;
  onCrash(listener: (how: string) => void): void;
}

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
/** Up for this long means that the crash before it is over and done with. */
const HEALTHY_AFTER_MS = 60_000;

/** How long to wait before the next start: 1 s, doubled to 30 s, and from the beginning after a healthy time. */
export function nextDelayMs(previousDelayMs: number | undefined, upForMs: number): number {
  if (previousDelayMs === undefined || upForMs >= HEALTHY_AFTER_MS) return FIRST_DELAY_MS;
  return Math.min(previousDelayMs * 2, LONGEST_DELAY_MS);
}

/** Starts what dies again, with growing patience, until told to let go. */
export class KeepAlive {
  private readonly letGo = new AbortController();
  private readonly revivals = new Set<Promise<void>>();

  /** `tell` gets a line for the terminal; `changed` is called whenever something went down or came up. */
  constructor(
    private readonly tell: (line: string) => void,
    private readonly changed: () => void,
  ) {}

  /** From now on this one is started again when it dies. It must be up. */
  watch(revivable: Revivable): void {
    let upSince = performance.now();
    let delayMs: number | undefined;
    revivable.onCrash((how) => {
      delayMs = nextDelayMs(delayMs, performance.now() - upSince);
      const revival = this.revive(revivable, how, delayMs).then((lastDelayMs) => {
        delayMs = lastDelayMs;
        upSince = performance.now();
        this.revivals.delete(revival);
      });
      this.revivals.add(revival);
    });
  }

  /** Starts nothing any more; resolves when a start that is under way has ended, one way or the other. */
  async stop(): Promise<void> {
    this.letGo.abort();
    await Promise.all(this.revivals);
  }

  private async revive(revivable: Revivable, how: string, firstDelayMs: number): Promise<number> {
    let delayMs = firstDelayMs;
    let reason = how;
    for (; !this.letGo.signal.aborted; delayMs = nextDelayMs(delayMs, 0)) {
      this.changed();
      this.tell(`${revivable.name} ${reason}; starting it again in ${delayMs / 1_000} s`);
      try {
        await sleep(delayMs, undefined, { signal: this.letGo.signal });
        await revivable.start();
        this.tell(`${revivable.name} is back`);
        this.changed();
        return delayMs;
      } catch (error) {
        reason = firstLine(error);
      }
    }
    return delayMs;
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
