import { describe, expect, it, onTestFinished } from 'vitest';
import { QueueStatusPort, statusOf } from '#lib/bus/queue-status/queue-status.port';
import type { ScoreRecalculate } from '#lib/contracts/events';
import type { QueueStatus } from '#lib/contracts/http';
import type { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { MemoryRescores } from '#lib/scores/rescoring/adapters/memory-rescores';
import { CronNightlySchedule } from '../adapters/cron-nightly-schedule.js';
import { RunNightly } from './run-nightly.js';

/** Queue and outbox with as much in them as a test says; null = not known. */
class Waiting extends QueueStatusPort {
  ready: number | null = 0;
  pending: number | undefined = 0;
  readonly published: string[] = [];

  async read(): Promise<QueueStatus[]> {
    return [statusOf('scoring.rescores', { ready: this.ready, unacked: 0, consumers: 1 }, 0)];
  }

  get depth() {
    return this.pending === undefined ? undefined : { pending: this.pending, parked: 0, oldestAgeSeconds: 0, isEstimate: false };
  }

  publishSoon({ data }: ScoreRecalculate): void {
    this.published.push(data.userId);
  }
}

const required = { DATABASE_URL: 'postgres://nowhere/parley', RABBITMQ_URL: 'amqp://nowhere', CHROMA_URL: 'http://nowhere' };
const openai = {
  LLM_PROVIDER: 'openai',
  LLM_BASE_URL: 'http://nowhere/v1',
  LLM_MODEL: 'any',
  LLM_API_KEY: 'key',
  LLM_REQUESTS_PER_MINUTE: '30',
};

const nightly = ({
  users = 600,
  env = {},
  rescores = new MemoryRescores(),
}: {
  users?: number;
  env?: object;
  rescores?: MemoryRescores;
} = {}) => {
  const waiting = new Waiting();
  const config = parseConfig({ ...required, ...env });
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger('ops', 'info', { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  rescores.at = new Date('2026-05-02T03:00:00Z');
  rescores.known = Array.from({ length: users }, (_, i) => ({
    userId: `user-${String(i).padStart(6, '0')}`,
    isActive: i % 2 === 0,
    dueEnds: i % 2 === 0 ? 1 : 0,
  }));
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  const run = new RunNightly(rescores, new CronNightlySchedule('03:00', 'UTC'), waiting, waiting as unknown as OutboxRelay, config, logger);
  return { rescores, waiting, lines, stopping, step: () => run.execute(stopping.signal), run: () => rescores.runs.get('2026-05-02') };
};

describe('the nightly run', () => {
  it('enqueues every active user once, page by page', async () => {
    const { step, waiting, rescores, run } = nightly();
    for (let i = 0; i < 5; i += 1) await step();
    expect(waiting.published).toEqual(rescores.known.filter(({ isActive }) => isActive).map(({ userId }) => userId));
    expect(run()).toMatchObject({ isFinished: true, enqueuedUsers: 300 });
  });

  it('goes on where another process stopped', async () => {
    const { step, rescores, waiting } = nightly();
    await step();
    const other = nightly({ rescores });
    for (let i = 0; i < 5; i += 1) await other.step();
    expect(new Set([...waiting.published, ...other.waiting.published]).size).toBe(300);
    expect(waiting.published.length + other.waiting.published.length).toBe(300);
  });

  it.each([
    ['the queue is full', (waiting: Waiting) => (waiting.ready = 1_000)],
    ['it is not known what the queue holds', (waiting: Waiting) => (waiting.ready = null)],
    ['the outbox waits for RabbitMQ', (waiting: Waiting) => (waiting.pending = 1_001)],
    ['it is not known what the outbox holds', (waiting: Waiting) => (waiting.pending = undefined)],
  ])('waits while %s', async (_, fill) => {
    const { step, waiting } = nightly();
    fill(waiting);
    await step();
    expect(waiting.published).toEqual([]);
    Object.assign(waiting, { ready: 0, pending: 0 });
    await step();
    expect(waiting.published).toHaveLength(125);
  });

  it('says how long the model needs, and is an error when that exceeds the window', async () => {
    const long = nightly({ users: 20_000, env: openai });
    await long.step();
    const facts = { date: '2026-05-02', users: 10_000, ends: 10_000, requestsPerMinute: 30, expectedHours: 11.11, windowHours: 5 };
    expect(long.lines).toMatchObject([{ level: 'error', code: 'nightly-exceeds-window', ...facts }]);
    const short = nightly({ users: 200, env: openai });
    await short.step();
    expect(short.lines[0]).toMatchObject({ level: 'info', users: 100, ends: 100, expectedHours: 0.11 });
    const local = nightly({ users: 20_000 });
    await local.step();
    expect(local.lines[0]).toMatchObject({ level: 'info', expectedHours: 0 });
  });

  it('makes up for a missed night once, and only within its window', async () => {
    const late = nightly();
    late.rescores.at = new Date('2026-05-02T03:10:00Z');
    for (let i = 0; i < 8; i += 1) await late.step();
    expect(late.waiting.published).toHaveLength(300);
    const tooLate = nightly();
    tooLate.rescores.at = new Date('2026-05-02T08:00:01Z');
    await tooLate.step();
    expect(tooLate.rescores.runs.size).toBe(0);
  });

  it('that is still under way at the next turn is finished first', async () => {
    const { step, rescores, waiting } = nightly();
    await step();
    rescores.at = new Date('2026-05-03T03:00:00Z');
    await step();
    await step();
    expect([...rescores.runs.keys()]).toEqual(['2026-05-02']);
    await step();
    expect([...rescores.runs.keys()]).toEqual(['2026-05-02', '2026-05-03']);
    expect(waiting.published).toHaveLength(425);
  });

  it('that ended before its process was started again is shown by the new one, so that a missed night is noticed', async () => {
    const shown = async () => (await metrics.nightlyFinished.get()).values[0]?.value;
    const { rescores, step } = nightly({ users: 10 });
    await step();
    const finishedAt = rescores.at.getTime() / 1_000;
    metrics.nightlyFinished.set(0);
    await nightly({ rescores }).step();
    expect(await shown()).toBe(finishedAt);
  });

  it('counts again when its process stops in the middle of counting', async () => {
    const { step, stopping, rescores, run } = nightly({ users: 2_000 });
    stopping.abort();
    await step();
    expect(run()?.expectedEnds).toBeUndefined();
    await nightly({ users: 2_000, rescores }).step();
    expect(run()?.expectedEnds).toBe(1_000);
  });
});
