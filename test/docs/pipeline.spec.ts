import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isFromOutbox, type PipelineRow, pipeline, type QueueRow, queues, requests } from '#lib/contracts/pipeline';

const rows = Object.entries<QueueRow>(queues);
const eventRows = Object.entries<PipelineRow>(pipeline);

/** The queues that methods of the classes of a file handle: what Nest's `@EventPattern` has registered. */
const handledIn = async (file: string): Promise<unknown[]> => {
  const exported = Object.values((await import(pathToFileURL(join(process.cwd(), file)).href)) as Record<string, unknown>);
  const prototypes = exported.flatMap((value) => (typeof value === 'function' ? [value.prototype as Record<string, unknown>] : []));
  return prototypes.flatMap((prototype) =>
    Object.getOwnPropertyNames(prototype ?? {}).flatMap((name) => {
      const patterns: unknown = Reflect.getMetadata('microservices:pattern', prototype[name] as object);
      return Array.isArray(patterns) ? patterns : [];
    }),
  );
};

/** Any of these may publish any row of the outbox. */
const appsWithRelay = (): string[] =>
  readdirSync('apps').filter((app) => {
    const module = `apps/${app}/src/${app}.module.ts`;
    return existsSync(module) && /DatabaseModule\.for\([^)]*\brelay: true/.test(readFileSync(module, 'utf8'));
  });

describe('the table of queues', () => {
  it.each(eventRows)(
    '%s names the file whose class handles it',
    async (queue, { handler }) => {
      expect(await handledIn(handler)).toContain(queue);
    },
    30_000,
  ); // the first import of an app's classes, on a busy machine

  it.each(Object.entries(requests))('%s names the file that answers it', (queue, { handler }) => {
    const constant = /^export const (\w+) = '/.source;
    const [, name = queue] = new RegExp(`${constant}${queue}'`, 'm').exec(readFileSync('libs/contracts/src/pipeline.ts', 'utf8')) ?? [];
    expect(readFileSync(handler, 'utf8')).toContain(name);
  });

  it.each(rows)('%s has its handler in the app that consumes it, and apps that exist as producers', (_, { app, handler, producers }) => {
    expect(handler.startsWith(`apps/${app}/`)).toBe(true);
    expect(producers.filter((producer) => !existsSync(`apps/${producer}/src/main.ts`))).toEqual([]);
  });

  it.each(eventRows)('%s has as producers the apps whose handlers return what it hears, and those with a relay of the outbox', (_, row) => {
    const emitters = eventRows.filter(([, { emits }]) => emits.some((type) => row.hears.includes(type))).map(([, { app }]) => app);
    const relaying = row.hears.some(isFromOutbox) ? appsWithRelay() : [];
    expect([...row.producers].sort()).toEqual([...new Set([...emitters, ...relaying])].sort());
  });
});
