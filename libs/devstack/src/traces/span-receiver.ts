import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { LogFile } from '../home/log-file.js';
import type { StoredSpan } from './stored-span.js';

/** 128 spans are 200 KB. */
const MAX_BODY_BYTES = 8_000_000;
/** One file of three: 30,000 spans or more, some thousand messages. */
const FILE_BYTES = 10_000_000;

const Value = z.object({ stringValue: z.string().optional(), intValue: z.union([z.number(), z.string()]).optional() });
const Attributes = z.array(z.object({ key: z.string(), value: Value.loose() })).default([]);
const Id = z.string().max(32);
const Export = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              name: z.string().max(300),
              traceId: Id,
              spanId: Id,
              parentSpanId: Id.optional(),
              links: z.array(z.object({ traceId: Id, spanId: Id })).default([]),
              startTimeUnixNano: z.string(),
              endTimeUnixNano: z.string(),
              attributes: Attributes,
              status: z.object({ code: z.number().optional(), message: z.string().optional() }).default({}),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** What is told of a span beside its name. */
const NOTES = [
  'messaging.rabbitmq.destination.routing_key',
  'http.response.status_code',
  'app.step',
  'app.sockets',
  'messaging.batch.message_count',
  'app.batch_size',
];

/**
 * Takes the spans of the services that `npm start -- --trace` runs (OTLP over HTTP, JSON) and keeps the newest in `.parley/traces`, 30 MB at most,
 * for `parley trace`. On this machine only.
 */
export class SpanReceiver {
  private readonly file: LogFile;
  private readonly server: Server;

  constructor(folder: string) {
    this.file = new LogFile(join(folder, 'spans.log'), FILE_BYTES);
    this.server = createServer((request, response) => {
      this.take(request).then(
        () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
        () => response.writeHead(400).end(),
      );
    });
  }

  /** @returns what OTEL_EXPORTER_OTLP_ENDPOINT is set to. */
  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
    this.file.flush();
  }

  private async take(request: IncomingMessage): Promise<void> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of request) {
      bytes += (part as Buffer).byteLength;
      if (bytes > MAX_BODY_BYTES) throw new RangeError('too many spans at once');
      parts.push(part as Buffer);
    }
    for (const span of spansIn(JSON.parse(Buffer.concat(parts).toString()))) this.file.write(`${JSON.stringify(span)}\n`);
  }
}

/** @throws ZodError for what is no export of spans. */
export function spansIn(body: unknown): StoredSpan[] {
  return Export.parse(body).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = textOf(resource.attributes, 'service.name') ?? 'unknown';
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ name, traceId, spanId, parentSpanId, links, startTimeUnixNano, endTimeUnixNano, attributes, status }) => {
        const startedAt = millisecondsOf(startTimeUnixNano);
        const note = NOTES.map((key) => textOf(attributes, key)).find((text) => text !== undefined);
        return {
          service,
          name,
          traceId,
          spanId,
          ...(parentSpanId === undefined || parentSpanId === '' ? {} : { parentSpanId }),
          links: links.map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
          startedAt,
          durationMs: Math.round((millisecondsOf(endTimeUnixNano) - startedAt) * 1_000) / 1_000,
          ...(status.code === 2 ? { failure: status.message ?? 'failed' } : {}),
          ...(note === undefined ? {} : { note }),
        };
      });
  });
}

function textOf(attributes: z.infer<typeof Attributes>, key: string): string | undefined {
  const value = attributes.find((attribute) => attribute.key === key)?.value;
  const plain = value?.stringValue ?? value?.intValue;
  return plain === undefined ? undefined : String(plain);
}

function millisecondsOf(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000n) / 1_000;
}
