import type { Change } from './ordered-conversation.js';

interface Waiting {
  readonly resolve: (result: IteratorResult<Change, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Changes for one `for await`. At most `limit` wait for it; then its conversations stand still until half of them are taken, and what came
 * meanwhile is asked for again.
 */
export class ChangeStream implements AsyncIterableIterator<Change, undefined> {
  private queue: Change[] = [];
  /** Given to the loop, whose body may still be at it. */
  private inHand: Change | undefined;
  private waiting: Waiting[] = [];
  private isEnded = false;
  private error: unknown;

  constructor(
    private readonly limit: number,
    private readonly onRoom: () => void,
    private readonly onReturn: () => void,
  ) {}

  get hasRoom(): boolean {
    return this.queue.length < this.limit;
  }

  put(change: Change): void {
    const reader = this.waiting.shift();
    if (reader === undefined) this.queue.push(change);
    else this.give(reader, change);
  }

  /** What the loop has not finished with. */
  unfinished(): readonly Change[] {
    return this.inHand === undefined ? this.queue : [this.inHand, ...this.queue];
  }

  /** The loop ends after what waits for it, with `error` if there is one. */
  end(error?: unknown): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.error = error;
    for (const reader of this.waiting.splice(0)) this.finish(reader);
  }

  next(): Promise<IteratorResult<Change, undefined>> {
    this.inHand = undefined;
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject };
      const change = this.queue.shift();
      if (change !== undefined) {
        this.give(reader, change);
        if (this.queue.length === Math.floor(this.limit / 2)) this.onRoom();
      } else if (this.isEnded) this.finish(reader);
      else this.waiting.push(reader);
    });
  }

  /** The loop was left: nothing waits for it any more. */
  return(): Promise<IteratorResult<Change, undefined>> {
    this.end();
    this.queue = [];
    this.inHand = undefined;
    this.onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private give(reader: Waiting, change: Change): void {
    this.inHand = change;
    reader.resolve({ done: false, value: change });
  }

  private finish({ resolve, reject }: Waiting): void {
    const { error } = this;
    this.error = undefined;
    if (error === undefined) resolve({ done: true, value: undefined });
    else reject(error);
  }
}
