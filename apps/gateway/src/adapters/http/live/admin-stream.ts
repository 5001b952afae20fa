import { Readable } from 'node:stream';
import type { AdminGoaway, AdminSectionName } from '#lib/contracts/admin-live';

type EventName = AdminSectionName | 'goaway';

/** How often a stream says something, so that proxies see it is alive and a gone reader is noticed. Milliseconds. */
const COMMENT_EVERY_MS = 15_000;
const COMMENT = ':\n\n';
/** EventSource waits this long before it opens a stream again; other clients take it as advice. Milliseconds. */
const BEGINNING = 'retry: 3000\n\n';

/**
 * One reader's stream of server-sent events. Holds the newest event of each kind that the reader has not taken yet and nothing else, so a slow
 * one misses sections and costs no memory:
 *
 *     open --put--> open --goAway--> going (only the goaway is still sent) --> ended
 *       `-----------reader gone, destroy------------------------------------> closed
 */
export class AdminStream extends Readable {
  private readonly waiting = new Map<EventName, string>();
  private readonly comments: NodeJS.Timeout;
  private isWanted = false;
  private isGoing = false;

  constructor() {
    super({ highWaterMark: 1 });
    this.push(BEGINNING);
    this.comments = setInterval(() => this.comment(), COMMENT_EVERY_MS).unref();
  }

  /** Replaces the event of this name that was not taken yet. */
  put(name: AdminSectionName, json: string): void {
    if (this.isGoing) return;
    this.waiting.set(name, json);
    this.give();
  }

  /** Ends the stream; what was not taken is dropped. */
  goAway(goaway: AdminGoaway): void {
    if (this.isGoing) return;
    this.isGoing = true;
    this.waiting.clear();
    this.waiting.set('goaway', JSON.stringify(goaway));
    this.give();
  }

  override _read(): void {
    this.isWanted = true;
    this.give();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.comments);
    this.waiting.clear();
    callback(error);
  }

  private give(): void {
    if (!this.isWanted || this.destroyed) return;
    const [next] = this.waiting;
    if (next === undefined) {
      if (this.isGoing) this.push(null);
      return;
    }
    const [name, json] = next;
    this.waiting.delete(name);
    this.isWanted = false;
    this.push(`event: ${name}\ndata: ${json}\n\n`);
  }

  /** Nothing to a reader that has not taken what was there. */
  private comment(): void {
    if (!this.isWanted || this.isGoing || this.destroyed) return;
    this.isWanted = false;
    this.push(COMMENT);
  }
}
