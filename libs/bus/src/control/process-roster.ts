import type { ProcessName } from '#lib/contracts/control';

/** A crashed or frozen process is listed as silent for this long, then forgotten. */
const FORGOTTEN_AFTER_MS = 600_000;
const MAX_KNOWN = 1_000;

/** `app@host#pid`, as in the names of connections. */
export const nameOf = ({ app, host, pid }: ProcessName): string => `${app}@${host}#${pid}`;

/** The processes that this one has heard of and that should answer a question. */
export class ProcessRoster {
  private readonly heard = new Map<string, { readonly process: ProcessName; readonly at: number }>();

  /** Notes a sign of life. */
  note(process: ProcessName, now = performance.now()): void {
    const name = nameOf(process);
    this.heard.delete(name); // keeps the longest silent one first
    this.heard.set(name, { process, at: now });
    const [oldest] = this.heard.keys();
    if (this.heard.size > MAX_KNOWN && oldest !== undefined) this.heard.delete(oldest);
  }

  /** Removes a process that left or is known to be gone. */
  remove(process: ProcessName): void {
    this.heard.delete(nameOf(process));
  }

  /** Forgets processes silent for ten minutes. */
  prune(now = performance.now()): void {
    for (const [name, { at }] of this.heard) if (now - at > FORGOTTEN_AFTER_MS) this.heard.delete(name);
  }

  all(): ProcessName[] {
    return [...this.heard.values()].map(({ process }) => process);
  }
}
