/** An id with the score that the fused order is sorted by; higher is better. */
export interface FusedRank<Id> {
  readonly id: Id;
  readonly score: number;
}

/** The constant k of the paper: keeps the first few places from outweighing all others. */
const K = 60;

/**
 * Fuses ranked lists (best first, each id at most once per list) into one: an id scores the sum of `1 / (60 + place)` over the lists that
 * have it. Only places count, so scores of different kinds (cosine, ts_rank) need no common scale. Equal scores keep the order in
 * which the lists name them.
 * Source: G. V. Cormack, C. L. A. Clarke, S. Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
 * SIGIR 2009, where k = 60.
 */
export const fuseByReciprocalRank = <Id>(lists: readonly (readonly Id[])[]): FusedRank<Id>[] => {
  const scores = new Map<Id, number>();
  for (const list of lists) {
    for (const [index, id] of list.entries()) scores.set(id, (scores.get(id) ?? 0) + 1 / (K + index + 1));
  }
  // Array.prototype.sort is stable, and a Map keeps the order of first mention.
  return [...scores].map(([id, score]) => ({ id, score })).sort((one, other) => other.score - one.score);
};
