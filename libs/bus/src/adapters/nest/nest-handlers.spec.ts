import { Controller, Module } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from 'vitest';
import { type MessageEvent, newEvent, type ParleyEvent } from '#lib/contracts/events';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { aRow, SwitchedBreakers } from '../../builders.contract.js';
import { Reject } from '../../outcome.js';
import { header } from '../../wire-message.js';
import { MemoryBus } from '../memory/memory-bus.js';
import { MemoryServer } from '../memory/memory-server.js';
import { handlersOf, PipelineMismatch } from './nest-handlers.js';
import { OriginalErrors } from './original-errors.filter.js';

describe('a Nest app on the bus', () => {
  it('a handler gets each batch as an array; its events are published, and its own errors decide about dead letters', async () => {
    const pipeline = {
      'embedding.messages': aRow(),
      'delivery.indexed': aRow({ app: 'delivery', hears: ['message.embedded'] }),
    };
    const bus = new MemoryBus({ pipeline, bufferSize: 100, publishTimeoutMs: 100 });
    const bad = aMessageCreated();
    const batches: unknown[] = [];

    @Controller()
    class MessagesConsumer {
      @EventPattern('embedding.messages')
      async handle(@Payload() events: MessageEvent[]): Promise<ParleyEvent[]> {
        batches.push(events);
        if (events.some(({ eventId }) => eventId === bad.eventId)) throw new Reject('not this one');
        return events.map(({ data }) =>
          newEvent('message.embedded', { ...data, messageVersion: data.version, chunkCount: 1, model: 'test' }),
        );
      }
    }
    @Module({ controllers: [MessagesConsumer] })
    class EmbeddingModule {}

    const app = (await Test.createTestingModule({ imports: [EmbeddingModule] }).compile()).createNestApplication();
    const logger = createLogger('test', 'silent');
    const server = new MemoryServer({ app: 'embedding', bus, breakers: new SwitchedBreakers(), drainMs: 1_000, logger });
    app.connectMicroservice({ strategy: server }, { deferInitialization: true }).useGlobalFilters(new OriginalErrors());
    await app.startAllMicroservices();

    const good = aMessageCreated();
    await Promise.all([good, bad].map((event) => bus.publish(event)));

    await eventually(() => {
      expect(bus.queue('delivery.indexed').readyCount).toBe(1);
      expect(bus.queue('embedding.messages.dlq').messages()).toMatchObject([
        { id: bad.eventId, headers: { [header.errorClass]: 'Reject', [header.error]: 'not this one', [header.attempts]: 1 } },
      ]);
    });
    expect(batches[0]).toEqual([good, bad]);
    await app.close();
    expect(bus.queue('embedding.messages').consumerCount).toBe(0);
  });
});

describe('handlersOf', () => {
  const handler = Object.assign(async () => undefined, { isEventHandler: true });
  const rows = { 'embedding.messages': aRow(), 'embedding.documents': aRow() };

  it('every difference between handlers and pipeline is named, both ways', () => {
    const doubled = Object.assign(async () => undefined, { isEventHandler: true, next: handler });
    const registered = new Map([
      ['embedding.messages', doubled],
      ['embedding.mesages', handler],
    ]);
    expect(() => handlersOf(registered, rows)).toThrow(
      new PipelineMismatch([
        'embedding.documents: a row of embedding, but nothing handles it',
        'embedding.mesages: handled here, but no row of this app',
        'embedding.messages: handled twice',
      ]),
    );
  });

  it('a replaced error names the missing filter', async () => {
    const replaced = () => Promise.reject({ status: 'error', message: 'Internal server error' });
    const registered = new Map(Object.keys(rows).map((queue) => [queue, Object.assign(replaced, { isEventHandler: true })]));
    const handle = handlersOf(registered, rows).get('embedding.messages');
    await expect(handle?.([aMessageCreated()])).rejects.toThrow(/connect it with the OriginalErrors filter/);
  });

  it('a result that is no list of events is refused', async () => {
    const registered = new Map(Object.keys(rows).map((queue) => [queue, Object.assign(async () => 'done', { isEventHandler: true })]));
    const handle = handlersOf(registered, rows).get('embedding.messages');
    await expect(handle?.([aMessageCreated()])).rejects.toThrow(/other than an array/);
  });
});
