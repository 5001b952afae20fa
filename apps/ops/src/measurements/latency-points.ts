import { type LatencyColumns, MOST_POINTS } from '#lib/contracts/measurements';
import type { ScrapeRounds, Selector } from '../scrape/scrape-rounds.js';

const WINDOW = { ms: 60_000 };
const QUANTILES = [0.5, 0.95, 0.99] as const;

/** The histogram behind each column. */
const HISTOGRAMS = {
  ack: {
    metric: 'http_request_duration_seconds',
    selector: { labels: { route: '/v1/conversations/:conversationId/messages', method: 'POST', status: '202' } },
  },
  delivery: { metric: 'time_to_delivered_seconds', selector: {} },
  search: { metric: 'search_duration_seconds', selector: {} },
  searchable: { metric: 'time_to_searchable_seconds', selector: {} },
} as const satisfies Readonly<Record<Exclude<keyof LatencyColumns, 'times'>, { readonly metric: string; readonly selector: Selector }>>;

/** The samples that latencies are made of. */
export const latencyMetrics: readonly string[] = Object.values(HISTOGRAMS).map(({ metric }) => `${metric}_bucket`);

type Kind = keyof typeof HISTOGRAMS;
const KINDS = Object.keys(HISTOGRAMS) as Kind[];
type Point = { readonly at: number } & Readonly<Record<Kind, readonly (number | null)[]>>;

/** What people wait for, point by point: taken after each round, because the rounds themselves are kept for two minutes only. */
export class LatencyPoints {
  private readonly points: Point[] = [];

  constructor(private readonly rounds: ScrapeRounds) {}

  /** Takes the point of the latest round. */
  note(): void {
    const at = Math.round((this.rounds.latest?.at ?? 0) / 1_000);
    const values = Object.fromEntries(KINDS.map((kind) => [kind, this.quantilesOf(kind)]));
    this.points.push({ at, ...values } as Point);
    if (this.points.length > MOST_POINTS) this.points.shift();
  }

  columns(): LatencyColumns {
    const column = (kind: Kind, index: number) => this.points.map((point) => point[kind][index] ?? null);
    const quantiles = (kind: Kind) => ({ p50: column(kind, 0), p95: column(kind, 1), p99: column(kind, 2) });
    return {
      times: this.points.map(({ at }) => at),
      ack: quantiles('ack'),
      delivery: quantiles('delivery'),
      search: quantiles('search'),
      searchable: quantiles('searchable'),
    };
  }

  private quantilesOf(kind: Kind): (number | null)[] {
    const { metric, selector } = HISTOGRAMS[kind];
    return this.rounds
      .quantiles(QUANTILES, metric, WINDOW, selector)
      .map((seconds) => (seconds === undefined ? null : tenths(seconds * 1_000)));
  }
}

const tenths = (value: number): number => Math.round(value * 10) / 10;
