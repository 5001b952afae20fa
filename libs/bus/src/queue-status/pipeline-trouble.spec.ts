import { describe, expect, it } from 'vitest';
import type { QueueView } from '#lib/contracts/http';
import { PipelineTroubles } from './pipeline-trouble.js';
import type { QueuesView } from './queue-watch.js';

const aQueue = (queue: Partial<QueueView> = {}): QueueView => ({
  name: 'embedding.messages',
  ready: 0,
  unacked: 0,
  consumers: 1,
  paused: false,
  pausedSince: null,
  oldestAgeSeconds: 0,
  deadLetters: 0,
  unknown: false,
  ...queue,
});

const noProcess = { processes: [], others: 'asked' } as const;
const aView = (items: readonly QueueView[], view: Partial<QueuesView> = {}): QueuesView => ({
  items,
  unknownCount: 0,
  consumers: noProcess,
  publishers: noProcess,
  ...view,
});

describe('trouble in the pipeline', () => {
  it('a flowing pipeline has no trouble, and unknown lengths are one', () => {
    expect(new PipelineTroubles().find(aView([aQueue()]), 0)).toEqual([]);
    const unknown = aQueue({ ready: null, unacked: null, consumers: null, paused: null, oldestAgeSeconds: null });
    expect(new PipelineTroubles().find(aView([unknown]), undefined)).toEqual(['not-known']);
  });

  it('a paused queue is a trouble', () => {
    expect(new PipelineTroubles().find(aView([aQueue({ paused: true, consumers: 0 })]), 0)).toEqual(['queue-paused embedding.messages']);
  });

  it('a queue without consumers is a trouble when that lasts longer than a restart', () => {
    const troubles = new PipelineTroubles();
    const alone = aView([aQueue({ consumers: 0, paused: null })]);
    expect([troubles.find(alone, 0, 0), troubles.find(alone, 0, 14_999), troubles.find(alone, 0, 15_000)]).toEqual([
      [],
      [],
      ['no-consumer embedding.messages'],
    ]);
    troubles.find(aView([aQueue()]), 0, 16_000);
    expect(troubles.find(alone, 0, 30_000)).toEqual([]);
  });

  it('an unknown queue that fills is a trouble without its name, and an empty one is none', () => {
    const old = aQueue({ name: 'secret-project.messages', unknown: true, consumers: 0, paused: null });
    expect(new PipelineTroubles().find(aView([aQueue(), old]), 0)).toEqual([]);
    expect(new PipelineTroubles().find(aView([aQueue(), { ...old, ready: 1 }]), 0)).toEqual(['unknown-queue']);
  });

  it('an old outbox is a trouble', () => {
    expect(new PipelineTroubles().find(aView([]), 61)).toEqual(['outbox-old']);
  });

  it('a process of any app that cannot publish is a trouble', () => {
    const failure = { routingKey: 'message.created', since: '', outcome: 'nacked', reason: 'full', code: null, count: 3 } as const;
    const ops = { app: 'ops', host: 'h', pid: 1, silent: false, answer: [failure] } as const;
    expect(new PipelineTroubles().find(aView([], { publishers: { processes: [ops], others: 'asked' } }), 0)).toEqual(['publishing-fails']);
  });
});
