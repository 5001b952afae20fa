/** Picks samples by their labels: each value is a regular expression for the whole label, as in PromQL's `=~`. */
export type Where = Readonly<Record<string, string>>;

/** Samples of one metric. */
export interface Selection {
  readonly metric: string;
  readonly where?: Where;
  /** Samples that match one of these are left out. */
  readonly except?: Where;
}

/**
 * What the built-in alerter asks of the metrics of all processes; data, so that the table of rules stays data. Results are grouped by the labels
 * `by` (`service` and `instance` are those of the process), each group is an alert of its own.
 */
export type Condition =
  /** The highest (or lowest) value of a group is beyond a limit. */
  | (Selection & {
      readonly kind: 'value';
      readonly by?: readonly string[];
      readonly across?: 'max' | 'min';
      /** Of each sample the highest value within this time, as `max_over_time`; left out: the newest value. */
      readonly overSeconds?: number;
      readonly above?: number;
      readonly below?: number;
      /** Only where each of these has a group of the same labels. */
      readonly and?: readonly Condition[];
      readonly unless?: readonly Condition[];
    })
  /** A counter rose by more than `above` within the last `overSeconds`. */
  | (Selection & { readonly kind: 'increase'; readonly by?: readonly string[]; readonly overSeconds: number; readonly above: number })
  /** What rose is a larger share of `of` than `above`, and at least `atLeast`. */
  | (Selection & {
      readonly kind: 'share';
      readonly of: Selection;
      readonly by?: readonly string[];
      readonly overSeconds: number;
      readonly above: number;
      readonly atLeast: number;
    })
  /** A quantile of what a histogram took in within the last `overSeconds` is above a limit, of at least `atLeast` observations. */
  | (Selection & {
      readonly kind: 'quantile';
      readonly quantile: number;
      readonly by?: readonly string[];
      readonly overSeconds: number;
      readonly above: number;
      readonly atLeast: number;
    })
  /** A moment in Unix time is less than `below`, or more than `above` seconds ago. 0 is no moment. */
  | (Selection & { readonly kind: 'age'; readonly by?: readonly string[]; readonly above?: number; readonly below?: number })
  /** A process does not answer. */
  | { readonly kind: 'unreachable' }
  /** A process started again more than `above` times within `overSeconds`. */
  | { readonly kind: 'restarts'; readonly overSeconds: number; readonly above: number };

/** The samples that a condition asks for. */
export function metricsOf(condition: Condition): string[] {
  switch (condition.kind) {
    case 'value':
      return [condition.metric, ...[...(condition.and ?? []), ...(condition.unless ?? [])].flatMap(metricsOf)];
    case 'increase':
    case 'age':
      return [condition.metric];
    case 'share':
      return [condition.metric, condition.of.metric];
    case 'quantile':
      return [`${condition.metric}_bucket`];
    case 'unreachable':
    case 'restarts':
      return [];
    default:
      return condition satisfies never;
  }
}
