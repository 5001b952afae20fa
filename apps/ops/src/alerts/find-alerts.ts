import type { ScrapeRounds, SeriesValue } from '../scrape/scrape-rounds.js';
import type { Condition, Selection, Where } from './conditions.js';

/** Says when a process started: a change is a restart. */
export const START_METRIC = 'process_start_time_seconds';

/** One group of samples for which a condition is true. */
export interface Finding {
  readonly labels: Readonly<Record<string, string>>;
  /** What the condition found: the highest value, the rise, the share, the quantile; of `below` the number of samples that are. */
  readonly value: number;
  /** The processes that said so. */
  readonly targets: readonly string[];
}

/** Evaluates conditions over the rounds of the last ten minutes. Call {@link note} after each round. */
export class Findings {
  private readonly starts = new Map<string, { startedAt: number; changes: number[] }>();
  /** Targets that do not answer, since when, and whether they ever did. */
  private readonly failing = new Map<string, { readonly since: number; readonly isStarting: boolean }>();

  constructor(private readonly rounds: ScrapeRounds) {}

  /** Remembers which processes have started again, and which have never answered: their samples say only when they started last. */
  note(): void {
    const at = this.rounds.latest?.at ?? 0;
    this.noteFailing(at);
    for (const { target, value } of this.rounds.values(START_METRIC)) {
      const known = this.starts.get(target);
      if (known === undefined) this.starts.set(target, { startedAt: value, changes: [] });
      else if (known.startedAt !== value) {
        known.startedAt = value;
        known.changes.push(at);
      }
    }
    for (const [target, { changes }] of this.starts) {
      while (changes[0] !== undefined && changes[0] < at - KEPT_MS) changes.shift();
      if (changes.length === 0 && this.rounds.serviceAt(target) === undefined) this.starts.delete(target);
    }
  }

  /** The groups for which the condition is true now. Not known is not true. */
  of(condition: Condition): Finding[] {
    switch (condition.kind) {
      case 'value':
        return this.byValue(condition);
      case 'increase':
        return this.risen(condition, condition.overSeconds, condition.by).filter(({ value }) => value > condition.above);
      case 'age':
        return this.byAge(condition);
      case 'share':
        return this.byShare(condition);
      case 'quantile':
        return this.byQuantile(condition);
      case 'unreachable':
        return this.unreachable();
      case 'restarts':
        return this.byRestarts(condition.overSeconds, condition.above);
      default:
        return condition satisfies never;
    }
  }

  private byValue(condition: Extract<Condition, { kind: 'value' }>): Finding[] {
    const { metric, by = [], across = 'max', overSeconds, above, below, and = [], unless = [] } = condition;
    const known = overSeconds === undefined ? this.rounds.values(metric) : this.rounds.highest(metric, { ms: overSeconds * 1_000 });
    const samples = matching(known, condition).filter(({ value }) => !Number.isNaN(value));
    const others = and.map((each) => this.of(each));
    const exceptions = unless.flatMap((each) => this.of(each));
    return grouped(samples, by).flatMap(({ labels, members }) => {
      const values = members.map(({ value }) => value);
      const value = across === 'max' ? Math.max(...values) : Math.min(...values);
      const isTrue = above === undefined ? below !== undefined && value < below : value > above;
      if (!isTrue || !others.every((found) => has(found, labels)) || has(exceptions, labels)) return [];
      const guilty = members.filter((each) => (above === undefined ? each.value < (below ?? 0) : each.value > above));
      return [{ labels, value: above === undefined ? guilty.length : value, targets: targetsOf(guilty) }];
    });
  }

  private byAge(condition: Extract<Condition, { kind: 'age' }>): Finding[] {
    const { metric, by = [], above = Number.NEGATIVE_INFINITY, below = Number.POSITIVE_INFINITY } = condition;
    const now = (this.rounds.latest?.at ?? 0) / 1_000;
    const moments = matching(this.rounds.values(metric), condition).filter(({ value }) => value > 0);
    return grouped(moments, by).flatMap(({ labels, members }) => {
      const value = now - Math.max(...members.map((each) => each.value));
      return value > above && value < below ? [{ labels, value, targets: targetsOf(members) }] : [];
    });
  }

  private byShare(condition: Extract<Condition, { kind: 'share' }>): Finding[] {
    const { of: whole, overSeconds, by, above, atLeast } = condition;
    const all = this.risen(whole, overSeconds, by);
    return this.risen(condition, overSeconds, by).flatMap((part) => {
      const total = all.find(({ labels }) => isSame(labels, part.labels))?.value ?? 0;
      return part.value >= atLeast && part.value / total > above ? [{ ...part, value: part.value / total }] : [];
    });
  }

  private byQuantile(condition: Extract<Condition, { kind: 'quantile' }>): Finding[] {
    const { metric, by = [], overSeconds, quantile, above, atLeast } = condition;
    const buckets = matching(this.rounds.increases(`${metric}_bucket`, { ms: overSeconds * 1_000 }), condition);
    return grouped(buckets, by).flatMap(({ labels, members }) => {
      const value = quantileOf(quantile, members, atLeast);
      return value !== undefined && value > above ? [{ labels, value, targets: targetsOf(members) }] : [];
    });
  }

  private noteFailing(at: number): void {
    const { failed = [] } = this.rounds.latest ?? {};
    const targets = new Set(failed.map(({ target }) => target));
    for (const target of this.failing.keys()) if (!targets.has(target)) this.failing.delete(target);
    for (const { target, isAddress = false } of failed) {
      if (this.failing.has(target)) continue;
      this.failing.set(target, { since: at, isStarting: isAddress && this.rounds.serviceAt(target) === undefined });
    }
  }

  private unreachable(): Finding[] {
    const at = this.rounds.latest?.at ?? 0;
    return [...this.failing]
      .filter(([, { since, isStarting }]) => !isStarting || at - since >= STARTS_WITHIN_MS)
      .map(([target]) => ({ labels: { instance: target }, value: 1, targets: [] }));
  }

  private byRestarts(overSeconds: number, above: number): Finding[] {
    const from = (this.rounds.latest?.at ?? 0) - overSeconds * 1_000;
    return [...this.starts].flatMap(([target, { changes }]) => {
      const value = changes.filter((at) => at >= from).length;
      return value > above ? [{ labels: { instance: target }, value, targets: [] }] : [];
    });
  }

  private risen(selection: Selection, overSeconds: number, by: readonly string[] = []): Finding[] {
    const samples = matching(this.rounds.increases(selection.metric, { ms: overSeconds * 1_000 }), selection);
    return grouped(samples, by).map(({ labels, members }) => ({
      labels,
      value: members.reduce((sum, { value }) => sum + value, 0),
      targets: targetsOf(members.filter(({ value }) => value > 0)),
    }));
  }
}

/** A pod has its address before its image is there: it may fetch that for so long before it counts as gone. */
const STARTS_WITHIN_MS = 300_000;

/** As long as the longest window of a condition. */
const KEPT_MS = 600_000;

const targetsOf = (samples: readonly SeriesValue[]): string[] => [...new Set(samples.map(({ target }) => target))].toSorted();

const labelOf = ({ labels, service, target }: SeriesValue, name: string): string =>
  labels[name] ?? (name === 'service' ? service : name === 'instance' ? target : '');

const patterns = new Map<string, RegExp>();

/** As PromQL's `=~`: the whole label. Patterns come from the table of rules. */
const isMatch = (text: string, pattern: string): boolean => {
  let known = patterns.get(pattern);
  if (known === undefined) patterns.set(pattern, (known = new RegExp(`^(?:${pattern})$`)));
  return known.test(text);
};

const matching = (samples: readonly SeriesValue[], { where = {}, except = {} }: Selection): SeriesValue[] => {
  const [wanted, unwanted] = [where, except].map((each: Where) => Object.entries(each)) as [[string, string][], [string, string][]];
  return samples.filter(
    (sample) =>
      wanted.every(([name, pattern]) => isMatch(labelOf(sample, name), pattern)) &&
      !unwanted.some(([name, pattern]) => isMatch(labelOf(sample, name), pattern)),
  );
};

const grouped = (samples: readonly SeriesValue[], by: readonly string[]) =>
  [...Map.groupBy(samples, (sample) => JSON.stringify(by.map((name) => labelOf(sample, name))))].map(([key, members]) => {
    const values = JSON.parse(key) as string[];
    return { labels: Object.fromEntries(by.map((name, index) => [name, values[index] ?? ''])), members };
  });

const isSame = (one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean =>
  Object.entries(one).every(([name, value]) => other[name] === value);

const has = (found: readonly Finding[], labels: Readonly<Record<string, string>>): boolean =>
  found.some((each) => isSame(each.labels, labels));

/** Linear inside its bucket; the last finite bound when it lies beyond all; undefined for fewer than `atLeast` observations. */
const quantileOf = (quantile: number, buckets: readonly SeriesValue[], atLeast: number): number | undefined => {
  const byBound = new Map<number, number>();
  for (const { labels, value } of buckets) {
    const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
    byBound.set(bound, (byBound.get(bound) ?? 0) + value);
  }
  const sorted = [...byBound].toSorted(([one], [other]) => one - other);
  const count = sorted.at(-1)?.[1] ?? 0;
  if (count < atLeast || count === 0) return undefined;
  let [lower, below] = [0, 0];
  for (const [bound, cumulative] of sorted) {
    if (cumulative >= quantile * count) {
      if (!Number.isFinite(bound)) return lower;
      return cumulative === below ? bound : lower + ((bound - lower) * (quantile * count - below)) / (cumulative - below);
    }
    [lower, below] = [bound, cumulative];
  }
  return undefined;
};
