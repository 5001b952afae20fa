import { setTimeout as sleep } from 'node:timers/promises';

/** What {@link KeepAlive} needs of a server or a service. */
export interface Revivable {
  readonly name: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
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

  /**
   * `tell` gets a line for the terminal; `changed` is called whenever something went down or came up. What `isLent`, another process runs:
   * it is left alone.
   */
  constructor(
    private readonly tell: (line: string) => void,
    private readonly changed: () => void,
    private readonly isLent: (name: string) => boolean = () => false,
  ) {}

  /** From now on this one is started again when it dies, and at once when it has died already since it was up. */
  watch(revivable: Revivable): void {
    const memory: Memory = { upSince: performance.now(), delayMs: undefined };
    const afterCrash = (how: string) => this.track(this.revive(revivable, how, memory));
    revivable.onCrash(afterCrash);
    if (revivable.pid === undefined) afterCrash('has ended while others were starting');
  }

  /** Starts one that is down and watched already, now and, when that fails, again and again. */
  async bringBack(revivable: Revivable): Promise<void> {
    try {
      await revivable.start();
      this.tell(`${revivable.name} is back`);
      this.changed();
    } catch (error) {
      this.track(this.revive(revivable, firstLine(error), { upSince: performance.now(), delayMs: undefined }));
    }
  }

  /** Starts nothing any more; resolves when a start that is under way has ended, one way or the other. */
  async stop(): Promise<void> {
    this.letGo.abort();
    await Promise.all(this.revivals);
  }

  private track(revival: Promise<void>): void {
    this.revivals.add(revival);
    void revival.finally(() => this.revivals.delete(revival));
  }

  private async revive(revivable: Revivable, how: string, memory: Memory): Promise<void> {
    let reason = how;
    let upForMs = performance.now() - memory.upSince;
    while (!this.letGo.signal.aborted) {
      memory.delayMs = nextDelayMs(memory.delayMs, upForMs);
      this.changed();
      this.tell(`${revivable.name} ${reason}; starting it again in ${memory.delayMs / 1_000} s`);
      try {
        await sleep(memory.delayMs, undefined, { signal: this.letGo.signal });
        if (this.isLent(revivable.name)) return;
        await revivable.start();
        memory.upSince = performance.now();
        this.tell(`${revivable.name} is back`);
        this.changed();
        return;
      } catch (error) {
        reason = firstLine(error);
        upForMs = 0;
      }
    }
  }
}

/** What is remembered of one that may die again. */
interface Memory {
  upSince: number;
  delayMs: number | undefined;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
