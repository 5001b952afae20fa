import { describe, expect, it } from 'vitest';
import { entriesIn, idsIn, stepsOfLogs } from './steps-of-logs.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const ids = { requestId: 'r1', traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, messageId: 'm1' };
const line = (service: string, fields: object) => ({ service, text: JSON.stringify({ level: 'info', ...ids, ...fields }), time: '' });
const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();

const lines = [
  line('gateway', { time: at(10), message: 'request', method: 'POST', route: '/v1/x', status: 202, durationMs: 10 }),
  line('embedding', {
    time: at(60),
    message: 'event done',
    queue: 'embedding.messages',
    event: 'message.created',
    eventId: 'e1',
    outcome: 'done',
    durationMs: 40,
    batchSize: 3,
  }),
  line('delivery', {
    time: at(80),
    message: 'event done',
    queue: 'delivery.messages',
    event: 'message.embedded',
    eventId: 'e2',
    outcome: 'done',
    durationMs: 5,
    batchSize: 1,
  }),
  line('scoring', {
    time: at(90),
    level: 'warn',
    message: 'event retry',
    queue: 'scoring.messages',
    event: 'message.created',
    eventId: 'e1',
    outcome: 'retry',
    attempt: 2,
    errorClass: 'DependencyError',
    durationMs: 5,
    batchSize: 1,
  }),
  line('scoring', { time: at(95), level: 'warn', message: 'slow query' }),
];

describe('the lines of a message', () => {
  it('are a tree: what an event led to is below its handling, and all is below the request', () => {
    const [request, ...others] = stepsOfLogs(entriesIn(lines));

    expect(others).toEqual([]);
    expect(request).toMatchObject({
      who: 'gateway',
      what: 'POST /v1/x',
      at: Date.parse(at(0)),
      durationMs: 10,
      outcome: '202',
      isFailed: false,
    });
    expect(request?.children.map(({ what, outcome, isFailed }) => ({ what, outcome, isFailed }))).toEqual([
      { what: 'message.created in embedding.messages (of 3)', outcome: 'done', isFailed: false },
      { what: 'message.created in scoring.messages (try 2)', outcome: 'retry DependencyError', isFailed: true },
      { what: 'slow query', outcome: 'warn', isFailed: true },
    ]);
    expect(request?.children[0]?.children.map(({ what }) => what)).toEqual(['message.embedded in delivery.messages']);
  });

  it('without the request still tell what was done', () => {
    expect(stepsOfLogs(entriesIn(lines.slice(1))).map(({ who }) => who)).toEqual(['embedding', 'scoring', 'scoring']);
  });

  it('name the ids that lead to others; what is no JSON is no line of a message', () => {
    expect(idsIn(entriesIn([...lines, { service: 'gateway', text: '    at stack (file.js:1)', time: '' }]))).toEqual({
      requestIds: new Set(['r1']),
      traceIds: new Set([TRACE]),
      messageIds: new Set(['m1']),
      eventIds: new Set(['e1', 'e2']),
    });
  });
});
