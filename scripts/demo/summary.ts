import { percentile } from '#lib/testing/percentiles';
import type { PlayedEnd } from './end.js';
import type { PlayedMessage } from './play.js';

/** Median, 95th percentile and worst of some milliseconds; null when there were none. */
export interface Spread {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

/** What the demo measured. */
export interface Summary {
  readonly messages: {
    readonly accepted: number;
    readonly searchable: number;
    /** Those that have their signals for scores. */
    readonly signals: number;
    /** In one stage or both. */
    readonly failed: number;
    readonly pending: number;
    readonly sockets: number;
    /** Sockets that showed every message once and in order. */
    readonly complete: number;
  };
  readonly ackMs: { readonly rest: Spread; readonly webSocket: Spread };
  readonly deliveredMs: Spread;
  readonly searchableMs: Spread;
  readonly signalsMs: Spread;
  /** One end of a conversation: to its 202, and from there to `score.updated`. */
  readonly endMs: Spread;
  readonly scoredMs: Spread;
  readonly searchMs: Spread;
}

/** `sockets`: the `seq` that each socket showed, in their order. */
export const summarise = (
  played: readonly PlayedMessage[],
  sockets: readonly (readonly number[])[],
  searchMs: readonly number[],
  { ackMs: endMs, scoredMs }: Pick<PlayedEnd, 'ackMs' | 'scoredMs'>,
): Summary => ({
  messages: {
    accepted: played.length,
    searchable: played.filter(({ embedding }) => embedding === 'done').length,
    signals: played.filter(({ scoring }) => scoring === 'done').length,
    failed: played.filter(({ embedding, scoring }) => [embedding, scoring].includes('failed')).length,
    pending: played.filter(({ embedding, scoring }) => [embedding, scoring].includes('pending')).length,
    sockets: sockets.length,
    complete: sockets.filter((shown) => shown.length === played.length && shown.every((seq, i) => seq === i + 1)).length,
  },
  ackMs: { rest: spread(acksOver('REST', played)), webSocket: spread(acksOver('WebSocket', played)) },
  deliveredMs: spread(played.map(({ deliveredMs }) => deliveredMs).filter((value) => value !== null)),
  searchableMs: spread(played.map(({ searchableMs }) => searchableMs).filter((value) => value !== null)),
  signalsMs: spread(played.map(({ signalsMs }) => signalsMs).filter((value) => value !== null)),
  endMs: spread([endMs]),
  scoredMs: spread(scoredMs === null ? [] : [scoredMs]),
  searchMs: spread(searchMs),
});

const acksOver = (way: PlayedMessage['over'], played: readonly PlayedMessage[]): number[] =>
  played.filter(({ over }) => over === way).map(({ ackMs }) => ackMs);

export function spread(values: readonly number[]): Spread {
  const at = (share: number): number | null => percentile(values, share) ?? null;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
