import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { needsAttention, readableLine } from './log-line.js';

const shown = (service: string, entry: object | string) =>
  stripVTControlCharacters(readableLine(service, typeof entry === 'string' ? entry : JSON.stringify(entry)));

describe('a log line in the terminal', () => {
  it('shows time, service, level, message and the fields that help, in a fixed order', () => {
    const line = shown('gateway', {
      level: 'info',
      time: '2026-11-21T02:00:00.000Z',
      service: 'gateway',
      pid: 7,
      message: 'message stored',
      durationMs: 3.2,
      conversationId: 'c1',
      outcome: 'done',
      hostname: 'x',
    });
    expect(line).toMatch(/^\d\d:\d\d:\d\d gateway {4}info {2}message stored outcome=done durationMs=3\.2 conversationId=c1$/);
  });

  it('hides no field that only some lines have: which statement was slow, what could not be reached, why', () => {
    const slow = {
      level: 'warn',
      message: 'slow query',
      lane: 'sends',
      statement: 'ingest_messages',
      durationMs: 180,
      pid: 7,
      traceId: 't',
    };
    expect(shown('gateway', slow)).toMatch(/slow query durationMs=180 lane=sends statement=ingest_messages$/);
    const refused = { level: 'warn', message: 'cannot connect to RabbitMQ', failures: 3, error: 'ECONNREFUSED', none: null };
    expect(shown('ops', refused)).toMatch(/RabbitMQ failures=3 error=ECONNREFUSED$/);
    expect(shown('ops', { level: 'info', message: 'x', list: ['long '.repeat(100)] }).length).toBeLessThan(200);
  });

  it('puts the stack of an error on lines of its own', () => {
    const line = shown('ops', {
      level: 'error',
      message: 'sweep failed',
      err: { type: 'Error', message: 'gone', stack: 'Error: gone\n    at x' },
    });
    expect(line.split('\n').slice(1)).toEqual(['    Error: gone', '        at x']);
  });

  it('leaves the stack of a warning to the file', () => {
    const err = { type: 'Error', message: 'gone', stack: 'Error: gone\n    at x\n    at y' };
    expect(shown('ops', { level: 'warn', message: 'tried again', err }).split('\n').slice(1)).toEqual(['    Error: gone']);
  });

  it('lets through what is not JSON, and JSON that is not an object', () => {
    expect(shown('ops', 'Configuration:')).toMatch(/ops {8}Configuration:$/);
    expect(shown('ops', '{broken')).toContain('{broken');
  });

  it('shows values that are not text as JSON', () => {
    expect(shown('ops', { level: 'info', message: { a: 1 }, status: 202 })).toContain('{"a":1} status=202');
  });
});

describe('a line that needs attention', () => {
  it.each([
    ['{"level":"info","message":"x"}', false],
    ['{"level":"debug"}', false],
    ['{"level":"warn"}', true],
    ['{"level":"fatal"}', true],
    ['Error: not JSON at all', true],
  ])('%s: %s', (line, expected) => {
    expect(needsAttention(line)).toBe(expected);
  });
});
