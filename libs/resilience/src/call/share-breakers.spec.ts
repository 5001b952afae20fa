import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { createBreakers } from '../adapters/opossum-breaker.js';
import { DependencyCall } from './dependency-call.js';
import { shareBreakers } from './share-breakers.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a process logs the beginning and the end of an outage once each, with what was called, the last error, and how many calls failed', async () => {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const call = new DependencyCall({ dependency: 'chroma', operation: 'upsert', timeoutMs: 1_000 }, shareBreakers(createBreakers(), logger));
  const refused = async () => {
    throw new Error('connect 10.0.0.7', { cause: Object.assign(new Error('10.0.0.7'), { code: 'ECONNREFUSED' }) });
  };
  const hangs = () => new Promise<never>(() => undefined);
  const fail = (action: () => Promise<never>) => call.run(action).catch(() => undefined);

  for (let times = 0; times < 20; times += 1) await fail(refused);
  await vi.advanceTimersByTimeAsync(10_000);
  const trial = fail(hangs);
  await vi.advanceTimersByTimeAsync(11_000);
  await trial;
  for (let times = 0; times < 2; times += 1) await call.run(async () => undefined);

  const chroma = { dependency: 'chroma', operation: 'upsert' };
  expect(lines).toMatchObject([
    { level: 'warn', ...chroma, from: 'closed', to: 'open', error: 'ECONNREFUSED', failureCount: 5, message: 'circuit breaker open' },
    { level: 'info', ...chroma, from: 'half-open', to: 'closed', error: 'timeout', failureCount: 6 },
  ]);
  expect(JSON.stringify(lines)).not.toContain('10.0.0.7');
});
