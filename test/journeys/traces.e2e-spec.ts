import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { builtProgram } from '#lib/testing/built-program';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { ScriptedCollector, type TakenSpan } from '#lib/testing/scripted-collector';
import { openAiModel, ScriptedHttpServer } from '#lib/testing/scripted-http-server';
import { ScriptedLlm } from '#lib/testing/scripted-llm';
import { SocketClient } from '#lib/testing/socket-client';

/** Stands in every text of this file, and in no span. */
const CANARY = 'kỳ-lân-4711';

let collector: ScriptedCollector;
let langfuse: ScriptedCollector;
let llm: ScriptedLlm;
let embedder: ScriptedHttpServer;
let parley: RunningParley;
let alice: ParleyClient;
let bob: SocketClient;
beforeAll(async () => {
  [collector, langfuse, llm] = await Promise.all([ScriptedCollector.start(), ScriptedCollector.start(), ScriptedLlm.start()]);
  const model = openAiModel();
  embedder = await ScriptedHttpServer.start(async (request) => {
    const answer = await model(request);
    return typeof answer === 'function' ? answer : { ...answer, body: { ...(answer.body as object), usage: { prompt_tokens: 7 } } };
  });
  parley = await startParley({
    stack: inject('stack'),
    env: {
      ...llm.settings,
      EMBEDDING_PROVIDER: 'openai',
      EMBEDDING_BASE_URL: embedder.url,
      EMBEDDING_MODEL: 'scripted-embedder',
      EMBEDDING_DIMENSION: '384',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER_ARG: '0',
      LANGFUSE_BASE_URL: langfuse.url,
      LANGFUSE_PUBLIC_KEY: 'pk-lf-journey',
      LANGFUSE_SECRET_KEY: 'sk-lf-journey-secret',
    },
  });
  alice = await parley.client('alice');
  bob = await SocketClient.connect(parley.realtime.url, await parley.tokenOf({ user: 'bob' }));
});
afterAll(async () => {
  bob?.drop();
  await parley?.stop();
  await embedder?.stop();
  await llm?.stop();
  await langfuse?.stop();
  await collector?.stop();
});

/** A trace that its client has begun: this journey samples none itself. */
const newTrace = (flags: '00' | '01' = '01') => {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-${flags}` } };
};
const sendIn = async (conversationId: string, content: string, { headers }: { headers: Record<string, string> }) => {
  const { status, body } = await alice.request('POST', `/v1/conversations/${conversationId}/messages`, { content }, headers);
  expect(status).toBe(202);
  return body as { id: string; seq: number };
};
const untilTaken = (what: string, isThere: () => unknown) => eventually(isThere, { timeoutMs: 30_000, everyMs: 100, what });
const named = (spans: readonly TakenSpan[], name: string, service?: string): TakenSpan => {
  const found = spans.find((span) => span.name === name && (service === undefined || span.service === service));
  if (found === undefined) throw new Error(`no span ${name}; there are ${spans.map((span) => `${span.service}: ${span.name}`).join(', ')}`);
  return found;
};
/** Names of the spans from the one that begins the trace down to this one. */
const pathTo = (span: TakenSpan, spans: readonly TakenSpan[]): string[] => {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return [...(parent === undefined ? [] : pathTo(parent, spans)), `${span.service}: ${span.name}`];
};

const SEND = 'POST /v1/conversations/:conversationId/messages';

describe('a message', () => {
  it('is one trace from its request over the commit, the outbox, RabbitMQ, the embedder and Chroma to the socket', {
    timeout: 90_000,
  }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
    // Bob's socket is live in it, and the queues are empty: what a socket catches up with comes from Postgres, in no trace.
    const before = await alice.send(conversationId, CANARY);
    await bob.frame('message.created', (frame) => frame.conversationId === conversationId);
    await eventually(async () => expect((await alice.message(before.id)).pipeline.embedding).toBe('done'), { timeoutMs: 30_000 });
    const trace = newTrace();
    const { id, seq } = await sendIn(conversationId, `Xin chào ${CANARY}`, trace);
    await bob.frame('message.created', (frame) => frame.conversationId === conversationId && frame.seq === seq);

    const spans = () => collector.traceOf(trace.traceId);
    await untilTaken('the last spans of both ways', () => {
      named(spans(), 'write to sockets');
      named(spans(), 'process embedding.messages');
      named(spans(), SEND);
      named(spans(), 'send parley.events', 'gateway');
      named(spans(), 'process delivery.messages');
    });
    expect(named(spans(), SEND)).toMatchObject({
      service: 'gateway',
      kind: 2,
      parentSpanId: trace.spanId,
      failure: undefined,
      attributes: { 'http.route': '/v1/conversations/:conversationId/messages', 'http.response.status_code': 202, 'app.message_id': id },
    });
    const send = named(spans(), 'send parley.events', 'gateway');
    expect(send).toMatchObject({
      kind: 4,
      attributes: {
        'messaging.system': 'rabbitmq',
        'messaging.destination.name': 'parley.events',
        'messaging.rabbitmq.destination.routing_key': 'message.created',
      },
    });
    expect(pathTo(named(spans(), 'postgres ingest-messages'), spans())).toEqual([
      `gateway: ${SEND}`,
      'gateway: shared commit',
      'gateway: commit',
      'gateway: postgres ingest-messages',
    ]);
    expect(pathTo(named(spans(), 'chroma upsert'), spans())).toEqual([
      `gateway: ${SEND}`,
      'gateway: send parley.events',
      'embedding: process embedding.messages',
      'embedding: chroma upsert',
    ]);
    const embeddings = named(spans(), 'embeddings scripted-embedder');
    expect(pathTo(named(spans(), 'embedder embed'), spans()).slice(2)).toEqual([
      'embedding: process embedding.messages',
      'embedding: embeddings scripted-embedder',
      'embedding: embedder embed',
    ]);
    expect(embeddings.attributes).toMatchObject({ 'gen_ai.operation.name': 'embeddings', 'gen_ai.usage.input_tokens': 7 });
    expect(pathTo(named(spans(), 'write to sockets'), spans())).toEqual([
      `gateway: ${SEND}`,
      'gateway: send parley.events',
      'delivery: process delivery.messages',
      'realtime: write to sockets',
    ]);
    expect(named(spans(), 'write to sockets').attributes).toMatchObject({ 'app.sockets': 1, 'app.message_id': id });
    named(spans(), 'redis publish', 'delivery');
    // The log line of the request names the span of the server.
    const line = (await parley.logOf('gateway')).split('\n').find((each) => each.includes(id) && each.includes('"request"')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({ traceparent: `00-${trace.traceId}-${named(spans(), SEND).spanId}-01` });
  });

  it('that is handled with others has its own spans, linked to what the batch did', { timeout: 90_000 }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    await parley.embedding.pause();
    const traces = Array.from({ length: 30 }, () => newTrace());
    await Promise.all(traces.map((trace, i) => sendIn(conversationId, `${CANARY} ${i}`, trace)));
    await parley.embedding.resume();

    const ofQueue = () => traces.map(({ traceId }) => collector.traceOf(traceId).find(({ name }) => name === 'process embedding.messages'));
    await untilTaken('each message was handled', () => expect(ofQueue()).not.toContain(undefined));
    await untilTaken('the batch ended', () => {
      const own = new Set(ofQueue().map((span) => span?.spanId));
      const batches = collector.spans.filter(
        ({ name, links }) => name === 'process batch embedding.messages' && links.some(({ spanId }) => own.has(spanId)),
      );
      const batch = batches.find(({ links }) => links.length > 1 && links.every(({ spanId }) => own.has(spanId)));
      if (batch === undefined) throw new Error(`no batch of these alone, but ${batches.length} others`);
      expect(batch.parentSpanId).toBeUndefined();
      expect(batch.attributes['messaging.batch.message_count']).toBe(batch.links.length);
      const messages = ofQueue().filter((span) => span?.links[0]?.spanId === batch.spanId);
      expect(new Set(batch.links.map(({ spanId }) => spanId))).toEqual(new Set(messages.map((span) => span?.spanId)));
      named(collector.traceOf(batch.traceId), 'chroma upsert');
    });
  });

  it('that shares its commit with others has its own span of it, linked to the commit, and the commit to all of them', {
    timeout: 60_000,
  }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const traces = Array.from({ length: 40 }, () => newTrace());
    await Promise.all(traces.map((trace) => sendIn(conversationId, CANARY, trace)));

    await untilTaken('a shared commit', () => {
      const sends = traces.map(({ traceId }) => named(collector.traceOf(traceId), 'shared commit'));
      const own = new Set(sends.map(({ spanId }) => spanId));
      const commit = collector.spans.find(
        ({ name, links }) => name === 'commit' && links.length > 1 && links.some(({ spanId }) => own.has(spanId)),
      );
      if (commit === undefined) throw new Error('no commit of several sends');
      expect(commit.parentSpanId).toBeUndefined();
      const members = sends.filter(({ links }) => links.some(({ spanId }) => spanId === commit.spanId));
      expect(new Set(members.map(({ spanId }) => spanId))).toEqual(new Set(commit.links.map(({ spanId }) => spanId)));
      expect(pathTo(named(collector.traceOf(commit.traceId), 'postgres ingest-messages'), collector.spans)).toEqual([
        'gateway: commit',
        'gateway: postgres ingest-messages',
      ]);
    });
  });
});

describe('the end of a conversation', () => {
  const endIn = async (conversationId: string, { headers }: { headers: Record<string, string> }) => {
    const body = { conversationId, userId: 'alice', startTime: '2026-01-31T09:00:00Z', endTime: '2026-01-31T09:30:00Z' };
    const { status } = await alice.request('POST', '/v1/conversations/end', body, headers);
    expect(status).toBe(202);
  };

  it('is one trace over scoring and the model to the socket of its user; Langfuse has each step, and nothing else', {
    timeout: 90_000,
  }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    await alice.send(conversationId, `Bạn khỏe không ${CANARY}?`);
    const own = await SocketClient.connect(parley.realtime.url, await parley.tokenOf({ user: 'alice' }));
    const trace = newTrace();
    await endIn(conversationId, trace);
    await own.frame('score.updated', undefined, 30_000);
    own.drop();

    const spans = () => collector.traceOf(trace.traceId);
    await untilTaken('the score reached the socket', () => named(spans(), 'write to sockets'));
    await untilTaken('scoring ended', () => {
      named(spans(), 'process scoring.conversations');
      named(spans(), 'POST /v1/conversations/end');
      named(spans(), 'send parley.events', 'gateway');
    });
    const chats = spans().filter(({ name }) => name === 'chat scripted');
    expect(new Set(chats.map((chat) => chat.attributes['app.step']))).toEqual(new Set(['session_emotion', 'user_questions']));
    const [chat] = chats;
    expect(pathTo(chat as TakenSpan, spans()).slice(0, -2)).toEqual([
      'gateway: POST /v1/conversations/end',
      'gateway: send parley.events',
      'scoring: process scoring.conversations',
      'scoring: assess conversation',
    ]);
    expect(chat?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'scripted',
      'gen_ai.usage.input_tokens': 120,
      'gen_ai.usage.output_tokens': 12,
      'gen_ai.response.finish_reasons': ['stop'],
      'langfuse.session.id': conversationId,
    });

    await untilTaken('Langfuse has the steps', () =>
      expect(
        langfuse
          .traceOf(trace.traceId)
          .map(({ name }) => name)
          .sort(),
      ).toEqual(['add memories', 'analyze emotion', 'analyze questions', 'assess conversation', 'chat scripted', 'chat scripted']),
    );
    const foreign = langfuse.spans.filter(({ attributes }) => !Object.keys(attributes).some((name) => /^(?:gen_ai|langfuse)\./.test(name)));
    expect(foreign).toEqual([]);
    expect(langfuse.spans.every(({ attributes }) => attributes['langfuse.user.id'] !== 'alice')).toBe(true);
  });

  it('is seen step by step, and failures in full, also when its trace is not sampled', { timeout: 90_000 }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    await alice.send(conversationId, `Một câu khác ${CANARY}`);
    llm.answer = () => ({ status: 400, body: { error: { message: 'I will not read this' } } });
    const trace = newTrace('00');
    try {
      await endIn(conversationId, trace);
      await untilTaken('the failed steps came', () => {
        const spans = collector.traceOf(trace.traceId);
        expect(named(spans, 'chat scripted').failure).toBe('unavailable');
        expect(named(spans, 'analyze emotion')).toMatchObject({ failure: 'unavailable', attributes: { 'app.fallback': true } });
        expect(named(spans, 'assess conversation')).toMatchObject({ failure: undefined, attributes: { 'app.degraded': true } });
      });
      expect(
        collector.traceOf(trace.traceId).filter(({ name, durationMs }) => /^(?:postgres|POST)/.test(name) && durationMs < 2_000),
      ).toEqual([]);
    } finally {
      llm.answer = () => undefined;
    }
  });
});

describe('npm run parley -- trace', () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'parley-home-'));
    await symlink(dirname(parley.gateway.logFile), join(home, 'logs'));
  });
  afterAll(() => rm(home, { recursive: true, force: true }));
  const run = (...args: string[]) =>
    runCommand(process.execPath, [builtProgram('parley'), 'trace', ...args], {
      timeoutMs: 60_000,
      cwd: projectRoot,
      env: { ...parley.environment, PARLEY_HOME: home },
    });

  it('prints the way of a message from logs and tables, by its request, its trace and itself', { timeout: 180_000 }, async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
    const trace = newTrace('00');
    const { id } = await sendIn(conversationId, CANARY, { headers: { ...trace.headers, 'x-request-id': 'journey-of-a-trace' } });
    await untilTaken('every app has handled it', async () => {
      const { pipeline } = await alice.message(id);
      expect([pipeline.embedding, pipeline.delivery, pipeline.scoring]).toEqual(['done', 'done', 'done']);
    });
    // The lines of a message are written after its rows, and each try is a process that starts.
    await untilTaken('the way is complete', async () => {
      const { code, stdout, stderr } = await run(id);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const part of [
        `trace ${trace.traceId}`,
        'request journey-of-a-trace',
        `is seq 1 of conversation ${conversationId}`,
        'stored as seq 1',
        'message.created in emb',
        'message.created in del',
        'message.created in sco',
      ])
        expect(stdout).toContain(part);
      expect(Math.max(...stdout.split('\n').map((line) => stripVTControlCharacters(line).length))).toBeLessThanOrEqual(80);
      expect(stdout).not.toContain(CANARY);
      expect(stdout).not.toContain('no line says');
    });
    for (const other of [trace.traceId, 'journey-of-a-trace']) {
      const { stdout } = await run(other, '--json');
      const path = JSON.parse(stdout) as { requestIds: string[]; messageIds: string[]; steps: { what: string; children: unknown[] }[] };
      expect(path).toMatchObject({ requestIds: ['journey-of-a-trace'], messageIds: [id] });
      expect(path.steps[0]).toMatchObject({ who: 'gateway', outcome: '202', isFailed: false });
      expect(path.steps[0]?.children.length).toBeGreaterThanOrEqual(3);
    }
    const unknown = await run('00000000-0000-7000-8000-000000000000');
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toContain('nothing here names');
  });
});

it('no span, and nothing that is logged about them, holds what people wrote, a user or a secret', async () => {
  const sent = [...collector.requests, ...langfuse.requests].map(({ text }) => text).join('\n');
  expect(sent.length).toBeGreaterThan(10_000);
  for (const secret of [CANARY, 'Xin chào', '"alice"', 'sk-lf-journey-secret', 'sk-scripted-secret', 'Key ('])
    expect(sent).not.toContain(secret);
  const logs = (await Promise.all((['gateway', 'scoring', 'embedding'] as const).map((service) => parley.logOf(service)))).join('\n');
  expect(logs).not.toContain('sk-lf-journey-secret');
});

it('a collector that hangs costs no message its time, and what it does not take is counted', { timeout: 60_000 }, async () => {
  const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
  collector.fault = () => undefined;
  langfuse.fault = 500;
  try {
    const startedAt = performance.now();
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(Array.from({ length: 25 }, () => sendIn(conversationId, CANARY, newTrace())));
    }
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    await bob.frame('message.created', (frame) => frame.conversationId === conversationId && frame.seq === 500);
    await eventually(
      async () => {
        const dropped = [...(await metricsOf(parley.gateway.url))].filter(([name]) =>
          name.startsWith('trace_spans_dropped_total{exporter="otlp"'),
        );
        expect(dropped.reduce((sum, [, value]) => sum + value, 0)).toBeGreaterThan(0);
      },
      { timeoutMs: 20_000, everyMs: 250 },
    );
  } finally {
    collector.fault = undefined;
    langfuse.fault = undefined;
  }
});
