import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { withTimeLimit } from '#lib/runtime/work/within';
import { withoutDeadline } from '../call/deadline.js';

/** Levels by how full the fullest source is (ruling C4). Each level includes what the ones before it do. */
const levels = {
  /** Nothing is left out. */
  normal: { from: 0, rank: 0 },
  /** Warning; extras are left out: embedding before the answer, reranking. */
  warn: { from: 0.8, rank: 1 },
  /** Writes of low priority are refused. */
  shed: { from: 0.9, rank: 2 },
  /** An operator must act: it is nearly full although everything that can be left out is. */
  critical: { from: 0.95, rank: 3 },
  /** Every write that makes events is refused. */
  full: { from: 1, rank: 4 },
} as const;
export type PressureLevel = keyof typeof levels;

/** What kind of work asks to be let in: `extra` can be left out of an answer, `low` can come later, `normal` has a client waiting for it. */
export type Priority = 'extra' | 'low' | 'normal';

const refusedFrom: Readonly<Record<Priority, PressureLevel>> = { extra: 'warn', low: 'shed', normal: 'full' };

/** Something that can overflow. */
export interface PressureSource {
  /** Label of `pressure_ratio`, e.g. `queues`. */
  readonly name: string;
  /** 0 empty, 1 full, undefined = not known now. May take as long as it likes: what is not there in time is not known. */
  readonly read: () => number | undefined | Promise<number | undefined>;
  /** The highest level that it may cause; for what overflows into something that is watched itself. */
  readonly atMost?: PressureLevel;
}

interface Reading {
  ratio: number | undefined;
  /** `performance.now()`. */
  readAt: number;
  level: PressureLevel;
}

/** A level is left when the ratio is this far below it: refusing makes room, and room would let all refused work in at once. */
const HYSTERESIS = 0.05;
const SAMPLE_MS = 2_000;
/** The status of queues settles within 2 s by itself. */
const READ_WITHIN_MS = 2_500;
/** How long the last reading stands in for a missing one: a queue does not become empty because it cannot be read. */
const STALE_AFTER_MS = 60_000;

/**
 * Load shedding: samples every two seconds how full the queues, the outbox and the buffers are, and answers at once whether to admit work.
 * An unknown fill counts as the last reading for a minute; then extras are left out, but no write is refused (law 2: a send needs Postgres only).
 */
export class Pressure {
  private readonly readings = new Map<string, Reading>();
  private readonly stopping = new AbortController();
  private current: PressureLevel = 'normal';
  private hasUnknown = false;

  constructor(
    private readonly sources: readonly PressureSource[],
    private readonly logger: Logger,
  ) {}

  get level(): PressureLevel {
    return this.current;
  }

  /** Whether work of this priority may be let in now. Costs nothing. */
  allows(priority: Priority): boolean {
    if (priority === 'extra' && this.hasUnknown) return false;
    return levels[this.current].rank < levels[refusedFrom[priority]].rank;
  }

  start(): void {
    void withoutDeadline(() => this.sampleUntilStopped());
  }

  stop(): void {
    this.stopping.abort();
  }

  /** Looks once. Never rejects. */
  async sample(): Promise<void> {
    const ratios = await Promise.all(this.sources.map((source) => readSafely(source)));
    const now = performance.now();
    for (const [index, source] of this.sources.entries()) this.note(source, ratios[index], now);
    this.decide();
  }

  private async sampleUntilStopped(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.sample();
      await sleep(SAMPLE_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  private note({ name, atMost }: PressureSource, ratio: number | undefined, now: number): void {
    if (ratio === undefined) metrics.pressureRatio.remove({ source: name });
    else metrics.pressureRatio.set({ source: name }, ratio);
    const before = this.readings.get(name);
    if (ratio !== undefined) {
      this.readings.set(name, { ratio, readAt: now, level: capped(levelOf(ratio, before?.level ?? 'normal'), atMost) });
    } else if (before !== undefined && now - before.readAt > STALE_AFTER_MS) {
      this.readings.set(name, { ...before, ratio: undefined, level: 'normal' });
    }
  }

  private decide(): void {
    const readings = [...this.readings];
    this.hasUnknown = readings.some(([, { ratio }]) => ratio === undefined);
    const [source, reading] = readings.toSorted(([, one], [, other]) => levels[other.level].rank - levels[one.level].rank)[0] ?? [];
    const level = reading?.level ?? 'normal';
    metrics.pressureLevel.set(levels[level].rank);
    if (level === this.current) return;
    const fields = { level, before: this.current, ...(level === 'normal' ? {} : { source, ratio: reading?.ratio }) };
    this.current = level;
    const { rank } = levels[level];
    if (rank >= levels.critical.rank) this.logger.error(fields, 'pressure');
    else if (rank > 0) this.logger.warn(fields, 'pressure');
    else this.logger.info(fields, 'pressure');
  }
}

/** The level of a ratio for something that is at `current` now: up at once, down only when it is well below. */
export const levelOf = (ratio: number, current: PressureLevel): PressureLevel => {
  const up = highestFrom(ratio);
  if (levels[up].rank >= levels[current].rank) return up;
  const down = highestFrom(ratio + HYSTERESIS);
  return levels[down].rank < levels[current].rank ? down : current;
};

/** The lowest of the last `count` readings: for what is full now and then by its nature, and only tells something when it stays so. */
export const sustained = (read: () => number, count: number): (() => number) => {
  const last: number[] = [];
  return () => {
    last.push(read());
    if (last.length > count) last.shift();
    return last.length < count ? 0 : Math.min(...last);
  };
};

const highestFrom = (ratio: number): PressureLevel => {
  const reached = (Object.keys(levels) as PressureLevel[]).filter((level) => ratio >= levels[level].from);
  return reached.at(-1) ?? 'normal';
};

const capped = (level: PressureLevel, atMost: PressureLevel = 'full'): PressureLevel =>
  levels[level].rank > levels[atMost].rank ? atMost : level;

const readSafely = async ({ read }: PressureSource): Promise<number | undefined> => {
  try {
    return await withTimeLimit(READ_WITHIN_MS, (async () => read())(), () => undefined);
  } catch {
    return undefined;
  }
};
