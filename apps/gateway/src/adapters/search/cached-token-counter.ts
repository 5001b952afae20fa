import { LRUCache } from 'lru-cache';
import { mayBeEmptied } from '#lib/runtime/work/caches';
import { type Countable, TokenCounterPort } from '../../context/token-counter.port.js';
import type { TextWorkPort } from '../../search/text-work.port.js';
import { piecesOf } from './bpe-tokens.js';

/** Messages whose counts are cached, about 10 MB: each context window counts the messages of its conversation again. */
const MAX_CACHED = 50_000;
/** UTF-16 units per job: up to 40 ms of a thread for the strangest text. Between two jobs other callers get their turn. */
const JOB_UNITS = 4_096;
/** Units counted ahead per token of room left: English has four per token, more would be wasted. */
const UNITS_PER_TOKEN = 4;

const keyOf = ({ id, version }: Countable): string => `${id}:${version}`;

/** Counts with o200k_base by {@link TextWorkPort}, in small jobs, each message version once. */
export class CachedTokenCounter extends TokenCounterPort {
  private readonly counts = new LRUCache<string, number>({ max: MAX_CACHED });

  constructor(private readonly work: TextWorkPort) {
    super();
    mayBeEmptied(this.counts);
  }

  override async count(messages: readonly Countable[], limit: number, caller: string): Promise<number[]> {
    const counts: number[] = [];
    let left = limit;
    for (let at = 0; at < messages.length && left >= 0; ) {
      const next = this.known(messages[at]) ?? (await this.counted(messages, at, left, caller));
      for (const count of next) left -= count;
      counts.push(...next);
      at += next.length;
    }
    return counts;
  }

  private known(message: Countable | undefined): number[] | undefined {
    const count = message === undefined ? undefined : this.counts.get(keyOf(message));
    return count === undefined ? undefined : [count];
  }

  /** Counts the message at `at`, and those after it that are not cached either and fit into the same job. */
  private async counted(messages: readonly Countable[], at: number, limit: number, caller: string): Promise<number[]> {
    const first = messages[at];
    if (first === undefined) return [];
    if (first.content.length > JOB_UNITS) return [await this.countLong(first, limit, caller)];
    const batch = [first];
    let room = Math.min(JOB_UNITS, limit * UNITS_PER_TOKEN) - first.content.length;
    for (const message of messages.slice(at + 1)) {
      room -= message.content.length;
      if (room < 0 || this.counts.has(keyOf(message))) break;
      batch.push(message);
    }
    const counts = await this.work.tokens(
      caller,
      batch.map(({ content }) => content),
      limit,
    );
    let sum = 0;
    for (const [i, count] of counts.entries()) {
      sum += count;
      const message = batch[i];
      // The message that passed the limit may not be counted to its end.
      if (message !== undefined && sum <= limit) this.counts.set(keyOf(message), count);
    }
    return counts;
  }

  private async countLong(message: Countable, limit: number, caller: string): Promise<number> {
    let count = 0;
    for (const piece of piecesOf(message.content, JOB_UNITS)) {
      const [tokens = 0] = await this.work.tokens(caller, [piece], limit - count);
      count += tokens;
      if (count > limit) return count;
    }
    this.counts.set(keyOf(message), count);
    return count;
  }
}
