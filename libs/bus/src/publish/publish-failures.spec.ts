import { describe, expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { PublishFailures } from './publish-failures.js';

const recording = () => {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  let now = 0;
  const failures = new PublishFailures(logger, () => now);
  return { failures, lines, later: (ms: number) => void (now += ms) };
};

const nacked = { kind: 'nacked', reason: 'refused by the broker' } as const;

describe('failing publishes', () => {
  it('a failure is kept by routing key, with the first time and the last reason, and logged once per transition', () => {
    const { failures, lines } = recording();
    for (let i = 0; i < 3; i += 1) failures.note('message.created', nacked);
    failures.note('message.created', { kind: 'ambiguous', reason: 'closed' }, 404);
    failures.note('message.deleted', { kind: 'confirmed' });
    expect(failures.current).toMatchObject([
      { routingKey: 'message.created', outcome: 'ambiguous', reason: 'closed', code: 404, count: 4 },
    ]);
    failures.note('message.created', { kind: 'confirmed' });
    failures.note('message.created', { kind: 'confirmed' });
    expect(failures.current).toEqual([]);
    expect(lines.map(({ level, routingKey }) => [level, routingKey])).toEqual([
      ['warn', 'message.created'],
      ['info', 'message.created'],
    ]);
  });

  it('a failure is forgotten when its routing key is no longer published', () => {
    const { failures, later } = recording();
    failures.note('message.created', nacked);
    later(59_000);
    failures.note('message.deleted', nacked);
    later(2_000);
    expect(failures.current.map(({ routingKey }) => routingKey)).toEqual(['message.deleted']);
  });
});
