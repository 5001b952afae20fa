import type { Comeback, CrowdCounts, CrowdSpec } from './crowd.js';
import type { ConversationLog } from './member-log.js';

/** What the benchmark tells its load generator. */
export type CrowdOrder =
  | { readonly do: 'open'; readonly spec: CrowdSpec }
  | { readonly do: 'state' | 'logs' | 'hold back' | 'comeback' | 'close' }
  | { readonly do: 'let go'; readonly head: number }
  | { readonly do: 'counts'; readonly heads: readonly number[] };

/** How many members are open to messages, and what the process has used of the CPU since it began. */
export interface CrowdState {
  readonly ready: number;
  readonly cpuMicros: number;
}

/** What the load generator answers to order `id`. */
export interface CrowdAnswer {
  readonly id: number;
  readonly result: CrowdState | readonly ConversationLog[] | Comeback | CrowdCounts | undefined;
  readonly error?: string;
}
