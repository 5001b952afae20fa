import type { Sample } from './parse-metrics.js';
import { type Point, PointLog } from './point-log.js';
import { ALL_IN_ONE, type FailedScrape, type ProcessScrape, type ScrapeRound } from './scrape.port.js';

/** Every round is kept for this long, which two windows of a minute need; of older ones one each half minute. Milliseconds. */
const DENSE_MS = 130_000;
const SPARSE_EVERY_MS = 30_000;
/** As far back as advice to scale down looks, and a little more. */
const KEPT_MS = 630_000;
/** Series of all processes together, 2.7 KB each: some 200 processes under load. New ones beyond it are left out and counted. */
const MOST_SERIES = 60_000;

/** A stretch of time that ends at `until`, the latest round unless given. */
export interface Window {
  readonly ms: number;
  /** Milliseconds since 1970. */
  readonly until?: number;
}

/** Which series of a metric. */
export interface Selector {
  readonly service?: string;
  readonly target?: string;
  /** Labels that a series must have, each with exactly this value. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** A number of one series. */
export interface SeriesValue {
  readonly target: string;
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The values of one series. */
export interface SeriesHistory {
  readonly target: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly Point[];
}

interface Series {
  readonly name: string;
  readonly target: string;
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly points: PointLog;
}

/** The process that is all services: what it counts, each of them counts. */
const speaksFor = (found: string, service: string): boolean => found === service || found === ALL_IN_ONE;

/**
 * The rounds of the last ten minutes: what is now, and what has grown since. A counter that falls has begun again at 0, as Prometheus takes it.
 * Unlike there, a series that a process shows for the first time counts from 0 when the process itself was seen before: prom-client
 * shows a labelled counter only once it has counted, and its first event must not be missed. Nothing is extrapolated.
 */
export class ScrapeRounds {
  private readonly byName = new Map<string, Map<string, Series>>();
  /** When each target answered. */
  private readonly seenAt = new Map<string, { service: string; times: number[] }>();
  /** The series of each target in the order in which it showed them last. */
  private readonly orderOf = new Map<string, readonly (Series | undefined)[]>();
  private roundTimes: number[] = [];
  private thinnedAt = 0;
  private seriesCount = 0;
  private last: ScrapeRound | undefined;
  /** Samples that were not kept because there are too many series. */
  droppedCount = 0;

  /** @param kept names of samples that are asked for (keptMetrics); others are not kept, and asking for one throws. Left out: all. */
  constructor(private readonly kept?: ReadonlySet<string>) {}

  /** The newest round; undefined before the first. */
  get latest(): ScrapeRound | undefined {
    return this.last;
  }

  add(round: ScrapeRound): void {
    // The samples are in the series.
    this.last = { ...round, processes: round.processes.map((each) => ({ ...each, samples: [] })) };
    this.roundTimes.push(round.at);
    for (const each of round.processes) {
      this.see(each.target, each.service, round.at);
      this.keep(each, round.at);
    }
    this.thin(round.at);
  }

  /** Targets that answered within the window but not in the latest round, and those that failed in it. */
  missing(window: Window): FailedScrape[] {
    const { last } = this;
    if (last === undefined) return [];
    const present = new Set([...last.processes, ...last.failed].map(({ target }) => target));
    const from = this.until(window) - window.ms;
    const gone = [...this.seenAt].filter(([target, { times }]) => !present.has(target) && (times.at(-1) ?? 0) >= from);
    return [...last.failed, ...gone.map(([target]) => ({ target, code: 'GONE' }))];
  }

  /** The service that a target was when it last answered; undefined when it never did. */
  serviceAt(target: string): string | undefined {
    return this.seenAt.get(target)?.service;
  }

  /** The value of each series in the newest round at `at`, the latest unless given: what a process said before says nothing about then. */
  values(name: string, selector: Selector = {}, at = this.last?.at ?? 0): SeriesValue[] {
    const roundAt = this.roundTimes.findLast((time) => time <= at);
    return this.series(name, selector).flatMap((series) => {
      const point = series.points.latestUntil(at);
      return point === undefined || point.at !== roundAt ? [] : [valueOf(series, point.value)];
    });
  }

  /** The sum of those values; undefined when there is none. */
  sum(name: string, selector: Selector = {}, at?: number): number | undefined {
    return total(this.values(name, selector, at));
  }

  /** All values of each series within the window, oldest first. */
  history(name: string, window: Window, selector: Selector = {}): SeriesHistory[] {
    const until = this.until(window);
    return this.series(name, selector).flatMap(({ target, labels, points }) => {
      const within = points.within(until - window.ms, until);
      return within.length === 0 ? [] : [{ target, labels, points: within }];
    });
  }

  /** The highest value of each series within the window, of targets that no longer answer too. */
  highest(name: string, window: Window, selector: Selector = {}): SeriesValue[] {
    const until = this.until(window);
    return this.series(name, selector).flatMap((series) => {
      const values = series.points.within(until - window.ms + 1, until).map(({ value }) => value);
      return values.length === 0 ? [] : [valueOf(series, Math.max(...values))];
    });
  }

  /** When the oldest round that is kept was; undefined before the first. */
  get begunAt(): number | undefined {
    return this.roundTimes[0];
  }

  /** When a target of this service was first seen later than the rounds begin, or another one last; the newest of them. */
  changedAt(service: string): number | undefined {
    const newest = this.last?.at;
    const changes = [...this.seenAt.values()]
      .filter((seen) => seen.service === service)
      .flatMap(({ times }) => [
        ...(times[0] !== undefined && times[0] > (this.begunAt ?? 0) ? [times[0]] : []),
        ...(times.at(-1) === newest ? [] : times.slice(-1)),
      ]);
    return changes.length === 0 ? undefined : Math.max(...changes);
  }

  /** How much each counter has grown within the window. Series that were seen only once are left out. */
  increases(name: string, window: Window, selector: Selector = {}): SeriesValue[] {
    const until = this.until(window);
    const from = until - window.ms;
    return this.series(name, selector).flatMap((series) => {
      const points = series.points.within(from, until);
      const begun = this.beginning(series, points, from);
      if (begun === undefined) return [];
      return [valueOf(series, grown([begun, ...points]))];
    });
  }

  /** The sum of those; undefined when no series was seen twice: not known is not 0. */
  increase(name: string, window: Window, selector: Selector = {}): number | undefined {
    return total(this.increases(name, window, selector));
  }

  /** Increase per second over the time that was really observed; undefined when that is not known. */
  rate(name: string, window: Window, selector: Selector = {}): number | undefined {
    const increase = this.increase(name, window, selector);
    const seconds = this.observedMs(window, selector) / 1_000;
    return increase === undefined || seconds <= 0 ? undefined : increase / seconds;
  }

  /**
   * The quantile of a histogram over what was observed within the window, linear inside its bucket as Prometheus has it. Undefined without
   * observations; the upper bound of the last finite bucket when it lies beyond all.
   */
  quantile(q: number, name: string, window: Window, selector: Selector = {}): number | undefined {
    return this.quantiles([q], name, window, selector)[0];
  }

  /** Several of them for the price of one. */
  quantiles(qs: readonly number[], name: string, window: Window, selector: Selector = {}): (number | undefined)[] {
    const byBound = new Map<number, number>();
    for (const { labels, value } of this.increases(`${name}_bucket`, window, selector)) {
      const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
      if (!Number.isNaN(bound)) byBound.set(bound, (byBound.get(bound) ?? 0) + value);
    }
    const buckets = [...byBound].toSorted(([a], [b]) => a - b);
    return qs.map((q) => quantileOf(q, buckets));
  }

  /** Rounds that have an answer of this service (of all without one) within the window. */
  roundCount(window: Window, selector: Selector = {}): number {
    return this.times(window, selector).length;
  }

  /** Time between the first and the last answer within the window. */
  observedMs(window: Window, selector: Selector): number {
    const times = this.times(window, selector);
    return (times.at(-1) ?? 0) - (times[0] ?? 0);
  }

  private times(window: Window, { service, target }: Selector): number[] {
    const until = this.until(window);
    const all = [...this.seenAt].flatMap(([each, seen]) =>
      (service === undefined || speaksFor(seen.service, service)) && (target === undefined || each === target) ? seen.times : [],
    );
    return [...new Set(all.filter((at) => at >= until - window.ms && at <= until))].toSorted((a, b) => a - b);
  }

  private until({ until }: Window): number {
    return until ?? this.last?.at ?? 0;
  }

  private series(name: string, { service, target, labels = {} }: Selector): Series[] {
    if (this.kept !== undefined && !this.kept.has(name))
      throw new Error(`${name} is not kept: name it where it is asked for (kept-metrics.ts)`);
    const wanted = Object.entries(labels);
    return [...(this.byName.get(name)?.values() ?? [])].filter(
      (each) =>
        (service === undefined || speaksFor(each.service, service)) &&
        (target === undefined || each.target === target) &&
        wanted.every(([label, value]) => each.labels[label] === value),
    );
  }

  /** The point that the first of `points` is compared with: itself, or 0 where its process was seen before the series was. */
  private beginning({ target, points: all }: Series, points: readonly Point[], from: number): Point | undefined {
    const [first] = points;
    if (first === undefined) return undefined;
    const earlier = this.seenAt.get(target)?.times.findLast((at) => at < first.at);
    if (first.at === all.first?.at && earlier !== undefined && earlier >= from) return { at: earlier, value: 0 };
    return points.length > 1 ? first : undefined;
  }

  private see(target: string, service: string, at: number): void {
    const seen = this.seenAt.get(target);
    if (seen === undefined) this.seenAt.set(target, { service, times: [at] });
    else {
      seen.service = service;
      seen.times.push(at);
    }
  }

  /** A process shows its series in the same order each time: the one at the same place is nearly always the one that is looked for. */
  private keep({ target, service, samples }: ProcessScrape, at: number): void {
    const before = this.orderOf.get(target) ?? [];
    const order: (Series | undefined)[] = [];
    for (const [index, sample] of samples.entries()) {
      if (this.kept !== undefined && !this.kept.has(sample.name)) continue;
      const there = before[index];
      const series = there !== undefined && isOf(there, sample, service) ? there : this.seriesOf(sample, target, service);
      series?.points.push(at, sample.value);
      order[index] = series;
    }
    this.orderOf.set(target, order);
  }

  private seriesOf({ name, labels }: Sample, target: string, service: string): Series | undefined {
    const key = JSON.stringify([name, target, service, labels]);
    const known = this.byName.get(name)?.get(key);
    if (known !== undefined) return known;
    if (this.seriesCount >= MOST_SERIES) {
      this.droppedCount += 1;
      return undefined;
    }
    const series = { ...copied(key), points: new PointLog() };
    const all = this.byName.get(series.name);
    if (all === undefined) this.byName.set(series.name, new Map([[key, series]]));
    else all.set(key, series);
    this.seriesCount += 1;
    return series;
  }

  private thin(now: number): void {
    if (now - this.thinnedAt < SPARSE_EVERY_MS) return;
    this.thinnedAt = now;
    this.roundTimes = thinned(this.roundTimes, now);
    const kept = new Set(this.roundTimes);
    for (const [target, seen] of this.seenAt) {
      seen.times = seen.times.filter((at) => kept.has(at));
      if (seen.times.length > 0) continue;
      this.seenAt.delete(target);
      this.orderOf.delete(target);
    }
    for (const [name, all] of this.byName) {
      for (const [key, series] of all) {
        series.points.keepOnly(kept);
        if (series.points.size > 0) continue;
        all.delete(key);
        this.seriesCount -= 1;
      }
      if (all.size === 0) this.byName.delete(name);
    }
    // A series that was taken out must not be found by its place either.
    for (const [target, order] of this.orderOf) {
      this.orderOf.set(
        target,
        order.map((series) => (series !== undefined && series.points.size > 0 ? series : undefined)),
      );
    }
  }
}

/** In strings of its own: a part of a text, as parsing gives it, keeps the whole text of that process and round in memory. */
const copied = (key: string): Pick<Series, 'name' | 'target' | 'service' | 'labels'> => {
  const [name, target, service, labels] = JSON.parse(key) as [string, string, string, Record<string, string>];
  return { name, target, service, labels };
};

const isOf = (series: Series, { name, labels }: Sample, service: string): boolean => {
  if (series.name !== name || series.service !== service) return false;
  const known = Object.keys(series.labels);
  return known.length === Object.keys(labels).length && known.every((label) => series.labels[label] === labels[label]);
};

const valueOf = ({ target, service, labels }: Series, value: number): SeriesValue => ({ target, service, labels, value });

const total = (values: readonly SeriesValue[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, { value }) => sum + value, 0);

/** How much a counter has grown from point to point; one that falls has begun again at 0. */
const grown = (points: readonly Point[]): number =>
  points.reduce((sum, { value }, index) => {
    const before = points[index - 1]?.value ?? value;
    return sum + (value >= before ? value - before : value);
  }, 0);

/** The recent times all, of older ones the first of each half minute, and none that is too old. */
function thinned(times: readonly number[], now: number): number[] {
  let slot = Number.NEGATIVE_INFINITY;
  return times.filter((at) => {
    if (at < now - KEPT_MS) return false;
    if (at >= now - DENSE_MS) return true;
    const own = Math.floor(at / SPARSE_EVERY_MS);
    if (own === slot) return false;
    slot = own;
    return true;
  });
}

function quantileOf(q: number, buckets: readonly (readonly [bound: number, count: number])[]): number | undefined {
  const count = buckets.at(-1)?.[1] ?? 0;
  if (!(count > 0)) return undefined;
  const rank = q * count;
  const index = buckets.findIndex(([, cumulative]) => cumulative >= rank);
  const [bound, cumulative] = buckets[index] ?? [Number.POSITIVE_INFINITY, count];
  const [lower, below] = buckets[index - 1] ?? [0, 0];
  if (!Number.isFinite(bound)) return index === 0 ? undefined : lower;
  return cumulative === below ? bound : lower + ((bound - lower) * (rank - below)) / (cumulative - below);
}
