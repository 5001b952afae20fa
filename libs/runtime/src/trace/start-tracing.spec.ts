import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { ScriptedCollector } from '#lib/testing/scripted-collector';
import { parseConfig } from '../config/config.js';
import { createLogger } from '../log/logger.js';
import { sampleNewTraces } from '../log/traceparent.js';
import { metrics } from '../metrics/metrics.js';
import { pseudonymOf } from './pseudonyms.js';
import { startSpan } from './span.js';
import { destinationsOf, startTracing, type Tracing } from './start-tracing.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const sampled = `00-${TRACE}-${PARENT}-01`;

let collector: ScriptedCollector;
let tracing: Tracing | undefined;
let lines: string[];
beforeEach(async () => {
  collector = await ScriptedCollector.start();
  lines = [];
});
afterEach(async () => {
  await tracing?.stop(2_000);
  tracing = undefined;
  sampleNewTraces(() => true);
  await collector.stop();
});

const configOf = (env: Record<string, string>) =>
  parseConfig({ DATABASE_URL: 'postgres://db/parley', RABBITMQ_URL: 'amqp://mq', CHROMA_URL: 'http://chroma', ...env });
const start = async (env: Record<string, string>) => {
  tracing = await startTracing('test', configOf(env), { logger: createLogger('test', 'info', { write: (line) => void lines.push(line) }) });
  return tracing;
};
const toCollector = () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
const valueOf = async (counter: typeof metrics.traceSpansDropped, labels: Record<string, string>) => {
  const { values } = await counter.get();
  return values
    .filter((value) => Object.entries(labels).every(([name, label]) => value.labels[name as 'exporter'] === label))
    .reduce((sum, { value }) => sum + value, 0);
};

it('nothing goes anywhere unless an endpoint or both keys of Langfuse are set', () => {
  expect(destinationsOf(configOf({}))).toEqual([]);
  expect(() => configOf({ LANGFUSE_PUBLIC_KEY: 'pk-lf-1' })).toThrow('LANGFUSE_SECRET_KEY: required by LANGFUSE_PUBLIC_KEY');
  expect(() => configOf({ OTEL_EXPORTER_OTLP_HEADERS: 'no pair' })).toThrow('OTEL_EXPORTER_OTLP_HEADERS');
});

describe('a collector', () => {
  it('gets ids, parent, links, kind, attributes and failure as OTLP, with the headers that it asks for', async () => {
    await start({ ...toCollector(), OTEL_EXPORTER_OTLP_HEADERS: 'x-token=a%20b, x-other=c' });
    const span = startSpan('chat', 'client', sampled);
    span
      ?.set('gen_ai.request.model', 'm')
      .set('app.count', 3)
      .set('app.share', 0.5)
      .set('app.is', true)
      .set('app.list', ['a', 'b'])
      .link(sampled)
      .fail('timeout')
      .end();
    await tracing?.stop(2_000);

    expect(collector.requests).toMatchObject([{ path: '/v1/traces', headers: { 'x-token': 'a b', 'x-other': 'c' } }]);
    expect(collector.spans).toMatchObject([
      {
        service: 'test',
        name: 'chat',
        kind: 3, // CLIENT, as OTLP counts
        traceId: TRACE,
        spanId: span?.traceparent.split('-')[2],
        parentSpanId: PARENT,
        links: [{ traceId: TRACE, spanId: PARENT }],
        attributes: {
          'gen_ai.request.model': 'm',
          'app.count': 3,
          'app.share': 0.5,
          'app.is': true,
          'app.list': ['a', 'b'],
          'error.type': 'timeout',
        },
        failure: 'timeout',
      },
    ]);
  });

  it.each([
    ['refuses', 400],
    ['answers with an error', 500],
  ])('that %s costs its spans, one warning and one line when it takes spans again', async (_, status) => {
    const before = await valueOf(metrics.traceSpansDropped, { exporter: 'otlp', reason: 'not-taken' });
    collector.fault = status;
    await start(toCollector());
    for (let i = 0; i < 256; i += 1) startSpan('work', 'internal', sampled)?.end();
    await eventually(
      async () => expect(await valueOf(metrics.traceSpansDropped, { exporter: 'otlp', reason: 'not-taken' })).toBe(before + 256),
      {
        timeoutMs: 15_000,
      },
    );
    collector.fault = undefined;
    for (let i = 0; i < 128; i += 1) startSpan('work', 'internal', sampled)?.end();
    await eventually(() => expect(collector.spans).toHaveLength(128));

    const messages = () => lines.map((line) => (JSON.parse(line) as { message: string }).message);
    const both = ['spans are not taken: they are dropped and counted until they are', 'spans are taken again'];
    await eventually(() => expect(messages()).toEqual(both));
  });

  it('that is away is tried for 5 s, then its spans are dropped and counted', { timeout: 40_000 }, async () => {
    const before = await valueOf(metrics.traceSpansDropped, { exporter: 'otlp', reason: 'not-taken' });
    await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
    for (let i = 0; i < 128; i += 1) startSpan('work', 'internal', sampled)?.end();
    await eventually(
      async () => expect(await valueOf(metrics.traceSpansDropped, { exporter: 'otlp', reason: 'not-taken' })).toBe(before + 128),
      { timeoutMs: 25_000 },
    );
  });

  it('that sends a byte now and then is given up after 5 s', { timeout: 40_000 }, async () => {
    let closed = false;
    collector.fault = (response) => {
      const drip = setInterval(() => response.write(' '), 100);
      response.once('close', () => {
        clearInterval(drip);
        closed = true;
      });
      response.writeHead(200);
    };
    await start(toCollector());
    for (let i = 0; i < 128; i += 1) startSpan('work', 'internal', sampled)?.end();
    await eventually(() => expect(closed).toBe(true), { timeoutMs: 25_000 });
  });

  // After those that count what is not taken: it may leave some to be counted later.
  it('that goes on failing has one request at a time', async () => {
    let [requests, open, mostOpen] = [0, 0, 0];
    collector.fault = (response) => {
      requests += 1;
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      setTimeout(() => {
        open -= 1;
        response.writeHead(500).end();
      }, 20);
    };
    await start(toCollector());
    await eventually(() => {
      for (let i = 0; i < 128; i += 1) startSpan('work', 'internal', sampled)?.end();
      expect(requests).toBeGreaterThan(10);
    });
    expect(mostOpen).toBe(1);
  });

  // The last of them: what it leaves in its queue is counted as not taken while the next test runs.
  it('that hangs holds 2,048 spans and one batch; the others are dropped and counted, and a stop waits no longer than it may', async () => {
    const before = await valueOf(metrics.traceSpansDropped, { exporter: 'otlp', reason: 'queue-full' });
    collector.fault = () => undefined;
    await start(toCollector());
    for (let i = 0; i < 10_000; i += 1) startSpan('work', 'internal', sampled)?.end();

    const dropped = (await valueOf(metrics.traceSpansDropped, { exporter: 'otlp', reason: 'queue-full' })) - before;
    expect(dropped).toBe(10_000 - 2_048 - 128);
    const stoppedAt = performance.now();
    await tracing?.stop(200);
    expect(performance.now() - stoppedAt).toBeLessThan(4_000); // an export has 5 s
  });
});

describe('Langfuse', () => {
  const keys = { LANGFUSE_PUBLIC_KEY: 'pk-lf-1', LANGFUSE_SECRET_KEY: 'sk-lf-secret' };

  it('gets spans of models alone, with its login and its version, and none of the headers for the collector', async () => {
    const other = await ScriptedCollector.start();
    try {
      await start({
        ...toCollector(),
        OTEL_EXPORTER_OTLP_HEADERS: 'x-token=secret-of-another',
        LANGFUSE_BASE_URL: `${other.url}/`,
        ...keys,
      });
      startSpan('chat', 'client', sampled)?.set('gen_ai.request.model', 'm').end();
      startSpan('postgres', 'client', sampled)?.set('db.system.name', 'postgresql').end();
      await tracing?.stop(2_000);

      expect(collector.spans.map(({ name }) => name)).toEqual(['chat', 'postgres']);
      expect(other.spans.map(({ name }) => name)).toEqual(['chat']);
      const [{ path, headers } = { path: '', headers: {} }] = other.requests;
      expect(path).toBe('/api/public/otel/v1/traces');
      expect(headers).toMatchObject({
        authorization: `Basic ${Buffer.from('pk-lf-1:sk-lf-secret').toString('base64')}`,
        'x-langfuse-ingestion-version': '4',
      });
      expect(headers).not.toHaveProperty('x-token');
      expect(lines.join()).not.toContain('secret');
    } finally {
      await other.stop();
    }
  });

  it('knows users by a hash that is keyed with its secret', async () => {
    await start({ LANGFUSE_BASE_URL: collector.url, ...keys });
    const pseudonym = pseudonymOf('alice');
    expect(pseudonym).toMatch(/^[\w-]{22}$/);
    expect(pseudonymOf('alice')).toBe(pseudonym);
    await start({ LANGFUSE_BASE_URL: collector.url, ...keys, LANGFUSE_SECRET_KEY: 'sk-lf-other' });
    expect(pseudonymOf('alice')).not.toBe(pseudonym);
  });
});
