import { describe, expect, it } from 'vitest';
import type { ConsumerState } from '#lib/contracts/control';
import type { QueueStatus } from '#lib/contracts/http';
import type { ControlAnswers, ControlChannelPort } from '../control/control-channel.port.js';
import { QueueStatusPort, type UnknownQueue } from './queue-status.port.js';
import { QueueWatch } from './queue-watch.js';

const QUEUE = 'embedding.messages';

const aStatus = (known: Partial<QueueStatus> = {}): QueueStatus => ({
  name: QUEUE,
  ready: 5,
  unacked: null,
  consumers: 1,
  paused: null,
  oldestAgeSeconds: null,
  deadLetters: 0,
  ...known,
});

const aConsumer = (state: Partial<ConsumerState> = {}): ConsumerState => ({
  queue: QUEUE,
  state: 'running',
  pausedSince: null,
  unacked: 3,
  oldestAt: new Date(Date.now() - 60_000).toISOString(),
  ...state,
});

class ScriptedQueues extends QueueStatusPort {
  constructor(
    private readonly status: QueueStatus,
    private readonly unknown: UnknownQueue[] | null,
  ) {
    super();
  }
  async read() {
    return [this.status];
  }
  override async unknownQueues() {
    return this.unknown;
  }
}

const embedding = { app: 'embedding', host: 'h', pid: 1 };

const watching = (
  consumers: readonly (ConsumerState[] | 'silent')[],
  {
    status = aStatus(),
    others = 'asked',
    unknown = [],
  }: { status?: QueueStatus; others?: 'asked' | 'unreachable'; unknown?: UnknownQueue[] | null } = {},
) => {
  const processes = consumers.map((answer, i) =>
    answer === 'silent'
      ? { ...embedding, pid: i + 1, silent: true, reason: 'no-answer' }
      : { ...embedding, pid: i + 1, silent: false, answer },
  );
  const control = {
    ask: async (question: string) => ({ processes: question === 'consumers' ? processes : [], others }) as ControlAnswers<never>,
  } as ControlChannelPort;
  return new QueueWatch(new ScriptedQueues(status, unknown), control);
};

const lineOf = async (watch: QueueWatch) => (await watch.read()).items[0];

describe('the view of a queue', () => {
  it('a queue is described by its consumers: held messages, their age, and that none pauses', async () => {
    const line = await lineOf(watching([[aConsumer()], [aConsumer({ unacked: 4, oldestAt: null })]]));

    expect(line).toMatchObject({ ready: 5, unacked: 7, paused: false, pausedSince: null, unknown: false });
    expect(line?.oldestAgeSeconds).toBeGreaterThanOrEqual(60);
    expect(line?.oldestAgeSeconds).toBeLessThan(90);
  });

  it('a queue is paused when one of its consumers is, since the first of them', async () => {
    const [first, second] = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z'];
    expect(
      await lineOf(watching([[aConsumer()], [aConsumer({ pausedSince: second })], [aConsumer({ pausedSince: first })]])),
    ).toMatchObject({
      paused: true,
      pausedSince: first,
    });
  });

  it('a queue without answering consumers has an unknown pause and a rising age', async () => {
    const line = await lineOf(watching(['silent']));
    expect(line).toMatchObject({ paused: null, unacked: null, oldestAgeSeconds: 0 });
  });

  it('counts of the broker win, and incomplete counts are not added up', async () => {
    expect(await lineOf(watching([[aConsumer()]], { status: aStatus({ unacked: 9 }) }))).toMatchObject({ unacked: 9 });
    expect(await lineOf(watching([[aConsumer()], 'silent']))).toMatchObject({ unacked: null });
    expect(await lineOf(watching([[aConsumer()]], { others: 'unreachable' }))).toMatchObject({ unacked: null });
  });

  it('a queue that the pipeline does not have is listed and marked', async () => {
    const view = await watching([[aConsumer()]], {
      unknown: [{ name: 'scoring.messages', routingKeys: ['message.created'], ready: 12, consumers: 0 }],
    }).read();
    expect(view.items[1]).toMatchObject({
      name: 'scoring.messages',
      unknown: true,
      ready: 12,
      consumers: 0,
      paused: null,
      deadLetters: null,
    });
    expect(view.unknownCount).toBe(1);
    expect((await watching([[]], { unknown: null }).read()).unknownCount).toBeNull();
  });
});
