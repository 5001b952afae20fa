import { existsSync, readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import type { MessageHandler } from '@nestjs/microservices';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryBus } from '#lib/bus/adapters/memory/memory-bus';
import { MemoryDeadLetters } from '#lib/bus/adapters/memory/memory-dead-letters';
import { MemoryServer } from '#lib/bus/adapters/memory/memory-server';
import { DeadLetters } from '#lib/bus/dead-letters/dead-letters';
import { Reject } from '#lib/bus/outcome';
import { definitionsFor } from '#lib/bus/permissions';
import { type PipelineRows, topologyOf } from '#lib/bus/topology';
import type { ParleyEvent } from '#lib/contracts/events';
import { queues } from '#lib/contracts/pipeline';
import { MemoryInbox } from '#lib/database/inbox/adapters/memory-inbox';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';

const page = readFileSync('docs/develop/add-a-consumer.md', 'utf8');
const [, row = ''] = /<!-- the row of the test -->\n```ts\n(.*?)```/s.exec(page) ?? [];
const NEW = 'scoring.messages';
const OLD = 'embedding.messages';
const table = { ...queues, ...(runInNewContext(`({${row}})`) as PipelineRows) };
const rows: PipelineRows = Object.fromEntries(
  Object.entries(table).flatMap(([queue, row]) => (row.kind === 'events' ? [[queue, row]] : [])),
);
const logger = createLogger('test', 'silent');

describe('the page on adding a consumer', () => {
  let bus: MemoryBus;
  let servers: MemoryServer[];
  beforeEach(() => {
    servers = [];
    bus = new MemoryBus({ pipeline: rows, bufferSize: 100, publishTimeoutMs: 100, retryDelaysMs: [10, 20, 40] });
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.close()));
    bus.stop();
  });

  const serve = async (app: string, queue: string, handle: (events: ParleyEvent[]) => void): Promise<void> => {
    const server = new MemoryServer({ app, bus, breakers: createBreakers(), inbox: new MemoryInbox(), drainMs: 500, logger });
    server.addHandler(queue, (async (events: ParleyEvent[]) => handle(events)) as MessageHandler, true);
    await new Promise<void>((resolve, reject) => {
      void server.listen((error) => (error === undefined ? resolve() : reject(error)));
    });
    servers.push(server);
  };

  it('gives the row its queues, its bindings and a user of RabbitMQ that reads them', () => {
    const { queues, bindings } = topologyOf(rows);
    expect(queues.filter(({ name }) => name.startsWith(NEW))).toHaveLength(5);
    expect(bindings.filter(({ queue }) => queue === NEW)).toHaveLength(2);
    const user = definitionsFor(table).permissions.find((permission) => permission.user === 'parley-scoring');
    expect(new RegExp(user?.read ?? '').test(`${NEW}.retry.1`)).toBe(true);
    expect(new RegExp(user?.read ?? '').test(OLD)).toBe(false);
  });

  it('lets both consumers have each event, and what one refuses be a dead letter of that one alone', async () => {
    const indexed: ParleyEvent[] = [];
    await serve('embedding', OLD, (events) => void indexed.push(...events));
    await serve('scoring', NEW, () => {
      throw new Reject('no score for this');
    });
    const event = aMessageCreated();
    expect(await bus.publish(event)).toEqual({ kind: 'confirmed' });
    await eventually(() => expect(indexed).toEqual([event]));

    const deadLetters = new DeadLetters(new MemoryDeadLetters(bus), logger, 5_000, rows);
    await eventually(async () =>
      expect((await deadLetters.list({ limit: 10 })).items).toMatchObject([{ id: event.eventId, queue: NEW, error: 'no score for this' }]),
    );
    expect(await deadLetters.discard({ queue: NEW, all: true, dryRun: false, force: false }, 'alice')).toMatchObject({ done: 1 });
    expect(indexed).toHaveLength(1);
  });

  it('refuses to start a process that does not handle its new row', async () => {
    await expect(serve('scoring', OLD, () => undefined)).rejects.toThrow(`${NEW}: a row of scoring, but nothing handles it`);
  });

  it('names files that exist, but for those of the new app', () => {
    const paths = [...page.matchAll(/`((?:apps|libs|docs|scripts|docker|test)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(paths.length).toBeGreaterThan(10);
    expect(paths.filter((path) => !path.startsWith('apps/scoring/') && !existsSync(path))).toEqual([]);
  });
});
