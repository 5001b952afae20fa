import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { ScriptedFault } from './scripted-http-server.js';

/** A span as it came, its ids in hex and its attributes as plain values. */
export interface TakenSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes: Readonly<Record<string, unknown>>;
  /** One word; undefined when nothing failed. */
  readonly failure: string | undefined;
  readonly durationMs: number;
}

/** One export. */
interface Taken {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
  /** As it was sent: to look for what must not be in it. */
  readonly text: string;
}

/** Takes spans as OTLP/HTTP JSON, as a collector and Langfuse do. It takes all until it is told to do something else. */
export class ScriptedCollector {
  readonly requests: Taken[] = [];
  readonly spans: TakenSpan[] = [];
  /** What is done in place of taking an export. */
  fault: ScriptedFault | number | undefined;

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    /** OTEL_EXPORTER_OTLP_ENDPOINT, or LANGFUSE_BASE_URL. */
    readonly url: string,
  ) {}

  static async start(): Promise<ScriptedCollector> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const collector = new ScriptedCollector(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, response) => void collector.take(request, response));
    return collector;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  /** Drops what it has taken so far. */
  forget(): void {
    this.spans.length = 0;
    this.requests.length = 0;
  }

  /** The spans of one trace. */
  traceOf(traceId: string): TakenSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
    } catch {
      return;
    }
    const { fault } = this;
    if (typeof fault === 'function') return fault(response);
    if (fault !== undefined) return void response.writeHead(fault).end('{"message":"scripted to fail"}');
    const body = Buffer.concat(parts);
    const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString();
    this.requests.push({ path: request.url ?? '', headers: request.headers, bytes: body.byteLength, text });
    this.spans.push(...spansIn(JSON.parse(text) as Export));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }
}

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values?: readonly Value[] };
}
type Attributes = readonly { readonly key: string; readonly value: Value }[];

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly kind: number;
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: Attributes;
        readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
        readonly status: { readonly code?: number; readonly message?: string };
      }[];
    }[];
  }[];
}

function spansIn({ resourceSpans }: Export): TakenSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(plain(resource.attributes)['service.name']);
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ name, kind, traceId, spanId, parentSpanId, attributes, links = [], status, startTimeUnixNano, endTimeUnixNano }) => ({
        service,
        name,
        kind,
        traceId,
        spanId,
        parentSpanId: parentSpanId === '' ? undefined : parentSpanId,
        links: links.map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
        attributes: plain(attributes),
        failure: status.code === 2 ? (status.message ?? '') : undefined,
        durationMs: Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6,
      }));
  });
}

function plain(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf({ stringValue, intValue, doubleValue, boolValue, arrayValue }: Value): unknown {
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(valueOf);
  return stringValue ?? (intValue === undefined ? undefined : Number(intValue)) ?? doubleValue ?? boolValue;
}
