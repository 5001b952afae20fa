/** A span as the receiver of `npm start -- --trace` keeps it: one line of JSON. */
export interface StoredSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** One word; absent when nothing failed. */
  readonly failure?: string;
  /** What tells it from others of its name: a routing key, a status, a count. */
  readonly note?: string;
}
