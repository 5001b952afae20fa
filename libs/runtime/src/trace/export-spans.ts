import type { Attributes, AttributeValue, HrTime, SpanContext } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace';
import { ATTR_ERROR_TYPE, ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import type { Logger } from '../log/logger.js';
import { parseTraceparent } from '../log/traceparent.js';
import { metrics } from '../metrics/metrics.js';
import { parleyVersion } from '../process/parley-version.js';
import { within } from '../work/within.js';
import { agentFactory } from './bounded-agent.js';
import { contextsOf, type EndedSpan, type SpanSink } from './span.js';

/** Where spans go. */
export interface Destination {
  /** Label of its metrics. */
  readonly name: 'otlp' | 'langfuse';
  readonly url: string;
  /** Secret. */
  readonly headers: Readonly<Record<string, string>>;
  readonly takes: (span: EndedSpan) => boolean;
}

/** Spans that wait for one destination; more are dropped and counted (docs/concepts/resilience.md). */
const QUEUE = 2_048;
/** Spans in one request: turning 128 into JSON holds the event loop for about a millisecond. */
const BATCH = 128;
const EXPORT_EVERY_MS = 2_000;
/** Longest life of an export with its connection, its tries and the waits between them. */
const EXPORT_MS = 5_000;
/** Requests at once while a stopping process empties its queue; one otherwise. */
const CONCURRENT = QUEUE / BATCH + 1;

const KINDS = { internal: 0, server: 1, client: 2, producer: 3, consumer: 4 } as const;
const SCOPE = { name: 'parley' };
const [UNSET, ERROR] = [0, 2] as const;
/** The SDK's code of an export that was taken. */
const SUCCESS = 0;

/**
 * The queue of one destination: the SDK's batches and its OTLP over HTTP, with our own bounds. A destination that hangs, refuses or is slow
 * costs its spans and nothing else.
 */
export class SpanExport {
  private readonly processor: BatchSpanProcessor;
  private queued = 0;
  private isFailing = false;

  constructor(
    private readonly destination: Destination,
    private readonly logger: Logger,
  ) {
    const { url, headers } = destination;
    const exporter = new OTLPTraceExporter({
      url,
      headers: { ...headers },
      timeoutMillis: EXPORT_MS,
      concurrencyLimit: CONCURRENT,
      httpAgentOptions: agentFactory(EXPORT_MS),
    });
    this.processor = new BatchSpanProcessor({
      exporter: this.counting(exporter),
      maxQueueSize: QUEUE,
      maxExportBatchSize: BATCH,
      scheduledDelayMillis: EXPORT_EVERY_MS,
      exportTimeoutMillis: 2 * EXPORT_MS, // longer than the exporter takes with a try that connects late: see `counting`
    });
  }

  take(span: EndedSpan, toReadable: (span: EndedSpan) => ReadableSpan | undefined): void {
    if (!this.destination.takes(span)) return;
    if (this.queued >= QUEUE) return this.dropped('queue-full', 1);
    const readable = toReadable(span);
    if (readable === undefined) return;
    this.queued += 1;
    this.processor.onEnd(readable);
  }

  /** Sends what waits, for so long at the most. */
  async stop(withinMs: number): Promise<void> {
    await within(withinMs, this.processor.shutdown()).catch(() => undefined);
  }

  private counting(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans, done) => {
        this.queued -= spans.length;
        exporter.export(spans, (result) => {
          const { code }: { readonly code: number } = result;
          const isSent = code === SUCCESS;
          if (isSent) metrics.traceSpansExported.inc({ exporter: this.destination.name }, spans.length);
          else this.dropped('not-taken', spans.length);
          this.report(isSent);
          // Also for what failed: after a failure the SDK's processor exports twice at once, after the next ones four times and more.
          done({ code: SUCCESS });
        });
      },
      shutdown: () => exporter.shutdown(),
    };
  }

  private dropped(reason: 'queue-full' | 'not-taken', count: number): void {
    metrics.traceSpansDropped.inc({ exporter: this.destination.name, reason }, count);
  }

  /** Once when it begins and once when it ends: without the error, whose text is the destination's. */
  private report(isSent: boolean): void {
    if (isSent === !this.isFailing) return;
    this.isFailing = !isSent;
    const exporter = this.destination.name;
    if (isSent) this.logger.info({ exporter }, 'spans are taken again');
    else this.logger.warn({ exporter }, 'spans are not taken: they are dropped and counted until they are');
  }
}

/** Turns a span into what the SDK exports, once for all destinations. */
export const readableSpans = (service: string): ((span: EndedSpan) => ReadableSpan | undefined) => {
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: service,
    [ATTR_SERVICE_VERSION]: parleyVersion,
    'service.namespace': 'parley',
    'process.pid': process.pid,
  });
  return (span) => readable(span, resource);
};

/** To all of these destinations. */
export const sinkTo = (exports: readonly SpanExport[], toReadable: (span: EndedSpan) => ReadableSpan | undefined): SpanSink => {
  const [only] = exports;
  if (only !== undefined && exports.length === 1) return (span) => only.take(span, toReadable);
  return (span) => {
    let made: ReadableSpan | undefined;
    for (const each of exports) each.take(span, () => (made ??= toReadable(span)));
  };
};

const readable = (span: EndedSpan, resource: Resource): ReadableSpan | undefined => {
  const { own, parent } = contextsOf(span);
  if (own === undefined) return undefined;
  const context = spanContext(own);
  const { name, kind, startedAt, endedAt, failure } = span;
  // Of now, not of the start of the process: the clock of the machine has been set since.
  const now = Date.now() - performance.now();
  const attributes: Attributes = {};
  for (const [key, value] of Object.entries(span.attributes)) if (value !== undefined) attributes[key] = value as AttributeValue;
  if (failure !== undefined) attributes[ATTR_ERROR_TYPE] = failure;
  return {
    name,
    kind: KINDS[kind],
    spanContext: () => context,
    // A parent of another trace is a cause, not a parent: see startSharedSpan.
    ...(parent === undefined || parent.traceId !== own.traceId ? {} : { parentSpanContext: spanContext(parent) }),
    startTime: hrTime(now + startedAt),
    endTime: hrTime(now + endedAt),
    duration: hrTime(endedAt - startedAt),
    status: failure === undefined ? { code: UNSET } : { code: ERROR, message: failure },
    attributes,
    links: span.links.flatMap((link) => {
      const linked = parseTraceparent(link);
      return linked === undefined ? [] : [{ context: spanContext(linked) }];
    }),
    events: [],
    ended: true,
    resource,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
};

/** All that is exported counts as sampled: that is what it is exported for. */
const spanContext = ({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }): SpanContext => ({
  traceId,
  spanId,
  traceFlags: 1,
});

const hrTime = (ms: number): HrTime => {
  const seconds = Math.trunc(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
};
