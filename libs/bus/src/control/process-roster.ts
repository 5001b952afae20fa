import type { ProcessName } from '#lib/contracts/control';

/** A process that died without a word is shown as silent for this long; after it, one that froze is forgotten too. */
const FORGOTTEN_AFTER_MS = 600_000;
const MAX_KNOWN = 1_000;

/** `app@host#pid`, as in the names of connections. */
export const nameOf = ({ app, host, pid }: ProcessName): string => `${app}@${host}#${pid}`;

/** Which processes there are, as far as this one has heard of them: who should answer a question. */
export class ProcessRoster {
  private readonly heard = new Map<string, { readonly process: ProcessName; readonly at: number }>();

  /** It said something now. */
  note(process: ProcessName, now = performance.now()): void {
    const name = nameOf(process);
    this.heard.delete(name); // so that the first is always the one that was silent for longest
    this.heard.set(name, { process, at: now });
    const [oldest] = this.heard.keys();
    if (this.heard.size > MAX_KNOWN && oldest !== undefined) this.heard.delete(oldest);
  }

  /** It said that it leaves, or is known to be gone. */
  remove(process: ProcessName): void {
    this.heard.delete(nameOf(process));
  }

  /** Forgets those that were silent for ten minutes. */
  prune(now = performance.now()): void {
    for (const [name, { at }] of this.heard) if (now - at > FORGOTTEN_AFTER_MS) this.heard.delete(name);
  }

  all(): ProcessName[] {
    return [...this.heard.values()].map(({ process }) => process);
  }
}
