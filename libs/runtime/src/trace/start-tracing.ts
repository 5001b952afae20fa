import type { Config } from '../config/config.js';
import { parseHeaderList } from '../config/header-list.js';
import { sampleNewTraces } from '../log/traceparent.js';
import type { Logger } from '../log/logger.js';
import { showContent } from './content.js';
import type { Destination } from './export-spans.js';
import { setPseudonymKey } from './pseudonyms.js';
import { isSampledBy } from './sampling.js';
import { type EndedSpan, exportSpansTo } from './span.js';

type TraceSettings = Pick<
  Config,
  | 'OTEL_EXPORTER_OTLP_ENDPOINT'
  | 'OTEL_EXPORTER_OTLP_HEADERS'
  | 'OTEL_TRACES_SAMPLER_ARG'
  | 'LANGFUSE_BASE_URL'
  | 'LANGFUSE_PUBLIC_KEY'
  | 'LANGFUSE_SECRET_KEY'
  | 'TRACE_CONTENT'
>;

/** Spans that are on their way out of a process. */
export interface Tracing {
  /** Sends what waits, for so long at the most, and takes no more. */
  stop(withinMs: number): Promise<void>;
}

/** Where the spans of a process go; none = tracing is off. */
export const destinationsOf = (settings: TraceSettings): Destination[] => {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = settings;
  const { LANGFUSE_BASE_URL: base, LANGFUSE_PUBLIC_KEY: publicKey, LANGFUSE_SECRET_KEY: secretKey } = settings;
  const all: Destination[] = [];
  if (endpoint !== undefined)
    all.push({ name: 'otlp', url: below(endpoint, 'v1/traces'), headers: parseHeaderList(headers ?? '') ?? {}, takes: () => true });
  if (publicKey !== undefined && secretKey !== undefined) {
    const authorization = `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString('base64')}`;
    all.push({
      name: 'langfuse',
      url: below(base, 'api/public/otel/v1/traces'),
      headers: { authorization, 'x-langfuse-ingestion-version': '4' },
      takes: isOfModel,
    });
  }
  return all;
};

/**
 * Begins to export spans. The SDK is loaded here and nowhere else: a process without a destination does not have it in memory.
 * Nothing that happens to a destination reaches the process, apart from a log line and `trace_spans_dropped_total`.
 */
export const startTracing = async (service: string, settings: TraceSettings, { logger }: { readonly logger: Logger }): Promise<Tracing> => {
  hideSettingsFromSdk();
  const { readableSpans, sinkTo, SpanExport } = await import('./export-spans.js');
  const exports = destinationsOf(settings).map((destination) => new SpanExport(destination, logger));
  showContent(settings.TRACE_CONTENT === 'true');
  setPseudonymKey(settings.LANGFUSE_SECRET_KEY);
  sampleNewTraces((traceId) => isSampledBy(settings.OTEL_TRACES_SAMPLER_ARG, traceId));
  exportSpansTo(sinkTo(exports, readableSpans(service)));
  return {
    stop: async (withinMs) => {
      exportSpansTo(undefined);
      await Promise.all(exports.map((each) => each.stop(withinMs)));
    },
  };
};

/** Spans of language models and embedders, and of the steps around them (R093). */
const isOfModel = ({ attributes }: EndedSpan): boolean => {
  for (const name in attributes) if (name.startsWith('gen_ai.') || name.startsWith('langfuse.')) return true;
  return false;
};

const below = (base: string, path: string): string => `${base.replace(/\/+$/, '')}/${path}`;

/** The SDK reads these by itself, for every exporter: the headers of a collector would go to Langfuse, too. They are parsed settings here. */
const hideSettingsFromSdk = (): void => {
  for (const name of ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS']) delete process.env[name]; // oxlint-disable-line node/no-process-env -- takes away, reads nothing
};
