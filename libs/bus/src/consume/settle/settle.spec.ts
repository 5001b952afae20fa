import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { metrics } from '#lib/runtime/metrics/metrics';
import { aMessageCreated } from '#lib/testing/builders';
import { aReceived } from '../../builders.contract.js';
import type { Delivery } from '../source/delivery.js';
import type { PublishOutcome } from '../../publish/publisher.port.js';
import { DeliverySourcePort } from '../source/delivery-source.port.js';
import { type DeadLetterListener, Settlement } from './settle.js';
import { RedeliveryTracker } from '../buffer/redelivery-tracker.js';
import { attemptOf, toWireMessage, type WireMessage } from '../../wire-message.js';

/** A delivery source that notes in which order copies are made and deliveries are settled. */
class NotingSource extends DeliverySourcePort {
  readonly notes: string[] = [];
  readonly copies: WireMessage[] = [];

  constructor(private readonly outcome: () => PublishOutcome = () => ({ kind: 'confirmed' })) {
    super();
  }

  listen(): void {}
  consume(): void {}
  async cancel(): Promise<void> {}
  async close(): Promise<void> {}

  ack(deliveries: readonly Delivery[]): void {
    this.notes.push(`done ${deliveries.map(({ tag }) => tag).join()}`);
  }

  async copyTo(queue: string, message: WireMessage): Promise<PublishOutcome> {
    const outcome = this.outcome();
    this.notes.push(`${outcome.kind} in ${queue}`);
    this.copies.push(message);
    return outcome;
  }
}

const settling = (source = new NotingSource(), onDeadLetter?: DeadLetterListener) => {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write: (line: Buffer, _, written) => {
      lines.push(JSON.parse(line.toString()) as Record<string, unknown>);
      written();
    },
  });
  const stopping = new AbortController();
  const settlement = new Settlement({
    queue: 'q',
    source,
    redeliveries: new RedeliveryTracker(),
    logger: pino({}, sink),
    signal: stopping.signal,
    onDeadLetter,
  });
  return { settlement, source, lines, stopping };
};

const account = { startedAt: performance.now(), batchSize: 2 };

describe('Settlement', () => {
  it('each settled event has one log line with all its ids, however large its batch', () => {
    const { settlement, source, lines } = settling();
    const [one, two] = [aMessageCreated(), aMessageCreated()];
    settlement.done([aReceived(one, { ...toWireMessage(one, { requestId: 'r1' }), tag: 1 }), aReceived(two, { tag: 2 })], account);
    expect(source.notes).toEqual(['done 1,2']);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      queue: 'q',
      event: 'message.created',
      eventId: one.eventId,
      requestId: 'r1',
      conversationId: one.conversationId,
      messageId: one.data.messageId,
      attempt: 1,
      outcome: 'done',
      durationMs: expect.any(Number),
      batchSize: 2,
    });
    expect(JSON.stringify(lines)).not.toContain(one.data.content);
  });

  it('a retried delivery is acknowledged only after its copy is confirmed', async () => {
    const outcomes: PublishOutcome[] = [{ kind: 'nacked', reason: 'full' }, { kind: 'confirmed' }];
    const { settlement, source } = settling(new NotingSource(() => outcomes.shift() ?? { kind: 'confirmed' }));
    await settlement.failed(aReceived(), { kind: 'retry', tier: 2 }, new Error('x'), account);
    expect(source.notes).toEqual(['nacked in q.retry.2', 'confirmed in q.retry.2', 'done 1']);
    expect(source.copies.map(attemptOf)).toEqual([2, 2]);
  });

  it('a delivery without a confirmed copy stays unsettled when the process stops', async () => {
    const { settlement, source, stopping } = settling(new NotingSource(() => ({ kind: 'ambiguous', reason: 'silence' })));
    const failing = settlement.failed(aReceived(), { kind: 'dead-letter' }, new Error('x'), account);
    stopping.abort();
    await failing;
    expect(source.notes).toEqual(['ambiguous in q.dlq']);
  });

  it('a stopping process does not wait for a broker that confirms nothing', async () => {
    const source = new NotingSource();
    vi.spyOn(source, 'copyTo').mockReturnValue(new Promise(() => undefined));
    const { settlement } = settling(source);
    const startedAt = performance.now();
    expect(await settlement.requeue([aReceived()], 100)).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(source.notes).toEqual([]);
  });

  it('a dead letter is counted by the class of its error, and the listener is called once it lies in its queue', async () => {
    const told: unknown[] = [];
    const event = aMessageCreated();
    const source = new NotingSource();
    const { settlement, lines } = settling(source, (queue, failed, error) => void told.push([queue, failed, error, [...source.notes]]));
    const count = async () =>
      (await metrics.deadLetter.get()).values.find(({ labels }) => labels['error_class'] === 'SyntaxError')?.value ?? 0;
    const before = await count();
    const error = new SyntaxError('x');
    await settlement.failed(aReceived(event), { kind: 'dead-letter' }, error, account);
    expect(await count()).toBe(before + 1);
    expect(told).toEqual([['q', event, error, ['confirmed in q.dlq', 'done 1']]]);
    expect(lines[0]).toMatchObject({ level: 50, outcome: 'dead-letter', errorClass: 'SyntaxError', error: 'x' });
  });
});
