/** One thing that happened on the way of a message, with what it led to. */
export interface Step {
  /** The process, or `postgres` for what stands in a table. */
  readonly who: string;
  readonly what: string;
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  readonly durationMs?: number;
  /** As its source has it: a status, `done`, `retry`, a code. */
  readonly outcome: string;
  readonly isFailed: boolean;
  /** The queue whose consumer wrote it, where a table tells that. */
  readonly queue?: string;
  readonly children: Step[];
}

/** The way of one message, as far as it is known. */
export interface Path {
  readonly traceIds: readonly string[];
  readonly requestIds: readonly string[];
  readonly messageIds: readonly string[];
  readonly steps: readonly Step[];
  /** What is not known, and why. */
  readonly missing: readonly string[];
}

/** In the order of their beginnings, at every level. */
export function inOrderOfTime(steps: readonly Step[]): Step[] {
  return steps.toSorted((one, other) => one.at - other.at).map((step) => ({ ...step, children: inOrderOfTime(step.children) }));
}
