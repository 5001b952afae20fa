import { existsSync, readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { Controller, Module } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryBus } from '#lib/bus/adapters/memory/memory-bus';
import { MemoryDeadLetters } from '#lib/bus/adapters/memory/memory-dead-letters';
import { BusModule } from '#lib/bus/bus.module';
import { DeadLetters } from '#lib/bus/dead-letters/dead-letters';
import { Reject } from '#lib/bus/outcome';
import { definitionsFor } from '#lib/bus/permissions';
import { type PipelineRows, topologyOf } from '#lib/bus/topology';
import type { ParleyEvent } from '#lib/contracts/events';
import { queues } from '#lib/contracts/pipeline';
import { DatabaseModule } from '#lib/database/database.module';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { ResilienceModule } from '#lib/resilience/resilience.module';
import { parseConfig } from '#lib/runtime/config/config';
import { Readiness } from '#lib/runtime/health/readiness';
import { createLogger } from '#lib/runtime/log/logger';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';

const page = readFileSync('docs/develop/add-a-consumer.md', 'utf8');
const [, row = ''] = /<!-- the row of the test -->\n```ts\n(.*?)```/s.exec(page) ?? [];
const NEW = 'audit.messages';
const OLD = 'embedding.messages';
const table = { ...queues, ...(runInNewContext(`({${row}})`) as PipelineRows) };
const rows: PipelineRows = Object.fromEntries(
  // Of the indexer one queue is enough: its app below has one handler.
  Object.entries(table).flatMap(([queue, row]) =>
    row.kind === 'events' && (row.app !== 'embedding' || queue === OLD) ? [[queue, row]] : [],
  ),
);
const logger = createLogger('test', 'silent');
const required = {
  DATABASE_URL: 'postgres://nowhere/parley',
  RABBITMQ_URL: 'amqp://nowhere',
  CHROMA_URL: 'http://nowhere',
  HOST: '127.0.0.1',
};

describe('the page on adding a consumer', () => {
  let bus: MemoryBus;
  let stops: (() => Promise<void>)[];
  beforeEach(() => {
    stops = [];
    bus = new MemoryBus({ pipeline: rows, bufferSize: 100, publishTimeoutMs: 100, retryDelaysMs: [10, 20, 40] });
  });
  afterEach(async () => {
    await Promise.all(stops.map((stop) => stop()));
    bus.stop();
  });

  /** Starts an app as the page makes one, with the libs' modules in memory and both apps on one bus. */
  const start = async (app: string, queue: string, handle: (events: ParleyEvent[]) => void): Promise<void> => {
    @Controller()
    class MessagesConsumer {
      @EventPattern<Record<string, ParleyEvent[]>>(queue)
      async handle(@Payload() events: ParleyEvent[]): Promise<void> {
        handle(events);
      }
    }
    @Module({
      imports: [ResilienceModule.inMemory(), DatabaseModule.inMemory(), BusModule.inMemory(app, { bus, consumes: true })],
      controllers: [MessagesConsumer],
    })
    class AppModule {}
    const [port = 0] = await freePorts(1);
    const readiness = new Readiness();
    readiness.stop();
    stops.push(await startOperationsApp(AppModule)({ config: parseConfig({ ...required, PORT: String(port) }), logger, readiness }));
  };

  it('gives the row its queues, its bindings and a user of RabbitMQ that reads them', () => {
    const { queues, bindings } = topologyOf(rows);
    expect(queues.filter(({ name }) => name.startsWith(NEW))).toHaveLength(5);
    expect(bindings.filter(({ queue }) => queue === NEW)).toHaveLength(2);
    const user = definitionsFor(table).permissions.find((permission) => permission.user === 'parley-audit');
    expect(new RegExp(user?.read ?? '').test(`${NEW}.retry.1`)).toBe(true);
    expect(new RegExp(user?.read ?? '').test(OLD)).toBe(false);
  });

  it('lets both consumers have each event, and what one refuses be a dead letter of that one alone', async () => {
    const indexed: ParleyEvent[] = [];
    await start('embedding', OLD, (events) => void indexed.push(...events));
    await start('audit', NEW, () => {
      throw new Reject('no entry for this');
    });
    const event = aMessageCreated();
    expect(await bus.publish(event)).toEqual({ kind: 'confirmed' });
    await eventually(() => expect(indexed).toEqual([event]));

    const deadLetters = new DeadLetters(new MemoryDeadLetters(bus), logger, 5_000, rows);
    await eventually(async () =>
      expect((await deadLetters.list({ limit: 10 })).items).toMatchObject([{ id: event.eventId, queue: NEW, error: 'no entry for this' }]),
    );
    expect(await deadLetters.discard({ queue: NEW, all: true, dryRun: false, force: false }, 'alice')).toMatchObject({ done: 1 });
    expect(indexed).toHaveLength(1);
  });

  it('refuses to start a process that does not handle its new row', async () => {
    await expect(start('audit', OLD, () => undefined)).rejects.toThrow(`${NEW}: a row of audit, but nothing handles it`);
  });

  it('names files that exist, but for those of the new app', () => {
    const paths = [...page.matchAll(/`((?:apps|libs|docs|scripts|docker|test)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(paths.length).toBeGreaterThan(10);
    expect(paths.filter((path) => !path.startsWith('apps/audit/') && !existsSync(path))).toEqual([]);
  });
});
