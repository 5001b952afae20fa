import type { ScalingAction } from '#lib/contracts/scaling';
import { budgetOf } from './derived.js';
import type { LoadWindow, ServiceSnapshot, SharedLimits } from './snapshot.js';

/** Pods, workers, pool and concurrency of a service; what is left out stays as it is. */
export interface SizeChange {
  readonly pods?: number;
  readonly workers?: number;
  readonly poolSize?: number;
  readonly concurrency?: number;
}

/** What one step of the procedure found. */
export interface Finding {
  readonly rule: number;
  readonly action: ScalingAction;
  readonly to?: SizeChange;
  readonly rebalance?: boolean;
  readonly reason: string;
  readonly numbers: Readonly<Record<string, number>>;
  readonly checks?: readonly string[];
  readonly watch?: readonly string[];
}

/** What a step of the procedure looks at. */
export class Situation {
  readonly now: LoadWindow;
  /** Connections that all services may use; undefined = not known. */
  readonly budget: number | undefined;

  constructor(
    readonly service: ServiceSnapshot,
    readonly shared: SharedLimits,
  ) {
    [this.now] = service.windows;
    this.budget = budgetOf(shared);
  }

  /** Whether it was so in two windows in a row: one alone may be a burst. */
  isSustained(test: (window: LoadWindow) => boolean): boolean {
    return this.service.windows.every(test);
  }
}

/** One step: what it found, or undefined when it does not apply. */
export type Step = (situation: Situation) => Finding | undefined;

/** 0.853 as `85 %`. */
export const percent = (share: number): string => `${Math.round(share * 100)} %`;
/** Seconds as a person says them. */
export const time = (seconds: number): string =>
  seconds < 1 ? `${Math.round(seconds * 1_000)} ms` : `${Number(seconds.toPrecision(2))} s`;
/** A number of some precision, for `numbers`. */
export const rounded = (value: number): number => Number(value.toPrecision(4));
