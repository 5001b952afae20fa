import type { ScoredChunk } from '../../chunking/chunk.js';
import type { VectorFilter } from '../vector-store.port.js';
import type { HeldVector } from './held-vectors.js';

/** Sorted again after so many more than asked for: few sorts of few, whatever is offered. */
const SLACK = 256;

/** The `k` vectors nearest to a query among those that are offered and pass its filter. Holds a few hundred more at most. */
export class NearestFew {
  private best: ScoredChunk[] = [];
  /** Nothing below it is among the nearest. */
  private least = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly query: Float32Array,
    private readonly k: number,
    private readonly filter: VectorFilter,
  ) {}

  offer(vector: HeldVector): void {
    if (!this.passes(vector)) return;
    const score = dot(this.query, vector.embedding);
    if (score < this.least) return;
    this.best.push({ id: vector.id, messageId: vector.messageId, score });
    if (this.best.length > this.k + SLACK) this.cut();
  }

  /** Best first. */
  found(): ScoredChunk[] {
    this.cut();
    return this.best;
  }

  private cut(): void {
    const k = Math.max(0, this.k);
    this.best = this.best.sort((one, other) => other.score - one.score || (one.id < other.id ? -1 : 1)).slice(0, k);
    if (this.best.length === k) this.least = this.best.at(-1)?.score ?? Number.POSITIVE_INFINITY;
  }

  private passes({ senderId, createdAtMs, isDocument }: HeldVector): boolean {
    const { kind, senderId: wanted, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = this.filter;
    if (kind !== undefined && isDocument !== (kind === 'document')) return false;
    return (wanted === undefined || senderId === wanted) && createdAtMs >= fromMs && createdAtMs <= toMs;
  }
}

const dot = (one: Float32Array, other: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < one.length; i += 1) sum += (one[i] ?? 0) * (other[i] ?? 0);
  return Math.max(-1, Math.min(1, sum));
};
