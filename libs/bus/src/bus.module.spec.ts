import { Controller, Injectable, Module } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { afterEach, expect, it } from 'vitest';
import type { MessageEvent, ParleyEvent } from '#lib/contracts/events';
import { MessageCreated } from '#lib/contracts/events';
import { EMBED_NOW_QUEUE } from '#lib/contracts/pipeline';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { ResilienceModule } from '#lib/resilience/resilience.module';
import { parseConfig } from '#lib/runtime/config/config';
import { Readiness } from '#lib/runtime/health/readiness';
import { createLogger } from '#lib/runtime/log/logger';
import { ProcessModule } from '#lib/runtime/process/process.module';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { MemoryBus } from './adapters/memory/memory-bus.js';
import type { ConsumerOptions } from './bus-options.js';
import { BusModule } from './bus.module.js';
import { Reject } from './outcome.js';
import { RequesterPort } from './request-reply/requester.port.js';

const required = {
  DATABASE_URL: 'postgres://nowhere/parley',
  RABBITMQ_URL: 'amqp://nowhere',
  CHROMA_URL: 'http://nowhere',
  HOST: '127.0.0.1',
};

let stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const processParts = async (overrides: Record<string, string> = {}) => {
  const [port = 0] = await freePorts(1);
  const readiness = new Readiness();
  stops.push(() => readiness.stop());
  return { config: parseConfig({ ...required, PORT: String(port), ...overrides }), logger: createLogger('test', 'silent'), readiness };
};

const told: ParleyEvent[] = [];

@Injectable()
class NoteDeadLetters {
  async mark(event: ParleyEvent): Promise<void> {
    told.push(event);
  }
}

@Injectable()
class AnswerWithLength {
  async answer(question: unknown): Promise<unknown> {
    return (question as string).length;
  }
}

@Controller()
class MessagesConsumer {
  @EventPattern('embedding.messages')
  async handle(@Payload() _events: MessageEvent[]): Promise<ParleyEvent[]> {
    throw new Reject('not this one');
  }

  @EventPattern('embedding.documents')
  async handleDocuments(@Payload() _events: ParleyEvent[]): Promise<ParleyEvent[]> {
    return [];
  }
}

/** An app that consumes as `embedding` does; its own providers are built after the bus. */
const appOn = (bus: MemoryBus | undefined, consumes: ConsumerOptions) => {
  const answers = { queue: EMBED_NOW_QUEUE, question: MessageCreated, by: AnswerWithLength, concurrency: () => 1 } as const;
  @Module({
    imports: [ResilienceModule.inMemory(), BusModule.inMemory('embedding', { ...(bus && { bus }), consumes, answers })],
    controllers: [MessagesConsumer],
    providers: [NoteDeadLetters, AnswerWithLength],
  })
  class AppModule {}
  return AppModule;
};

it('the bus module tells a provider of the app about each event that became a dead letter', async () => {
  const bus = new MemoryBus({ bufferSize: 10, publishTimeoutMs: 100 });
  stops.push(() => bus.stop());
  stops.push(await startOperationsApp(appOn(bus, { deadLetters: NoteDeadLetters }))(await processParts()));
  const event = aMessageCreated();
  await bus.publish(event);
  await eventually(() => expect(told).toEqual([event]));
});

it('the bus module lets a provider of the app answer questions', async () => {
  const module = await Test.createTestingModule({ imports: [ProcessModule.of(await processParts()), appOn(undefined, {})] }).compile();
  stops.push(() => module.close());
  expect(await module.get(RequesterPort, { strict: false }).ask(EMBED_NOW_QUEUE, 'four')).toBe(4);
});

it('a process refuses a configuration in which the calls of a handler do not fit into its deadline', async () => {
  const slowestCall = { name: 'one call of the embedder', timeoutMs: 20_000 };
  const parts = await processParts({ DB_STATEMENT_TIMEOUT_MS: '9000' });
  await expect(startOperationsApp(appOn(undefined, { slowestCall }))(parts)).rejects.toThrow(
    'it must be shorter than deadline of a handler of embedding.messages, which is 30000 ms',
  );
});

it('the bus module stops with its process: later publishes are refused', async () => {
  const module = await Test.createTestingModule({ imports: [ProcessModule.of(await processParts()), appOn(undefined, {})] }).compile();
  const bus = module.get(MemoryBus, { strict: false });
  await module.init();
  await module.close();
  expect(await bus.publish(aMessageCreated())).toMatchObject({ kind: 'nacked', reason: 'stopping' });
});
