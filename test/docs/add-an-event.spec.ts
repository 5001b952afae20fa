import { existsSync, readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryBus } from '#lib/bus/adapters/memory/memory-bus';
import { decode } from '#lib/bus/consume/run/decode';
import { emit } from '#lib/bus/consume/run/emit';
import { NotKnownYet, Reject } from '#lib/bus/outcome';
import { toWireMessage } from '#lib/bus/wire-message';
import type { ParleyEvent } from '#lib/contracts/events';
import { ConversationId, MessageId, newId } from '#lib/contracts/ids';
import { aMessageCreated } from '#lib/testing/builders';

const page = readFileSync('docs/develop/add-an-event.md', 'utf8');
const [, code = ''] = /<!-- the schema of the test -->\n```ts\n(.*?)```/s.exec(page) ?? [];

/** The schema on the page, with the names that `events.ts` has in scope. */
const scope = { z, MessageId, ConversationId, version: z.int().positive(), event: (type: string, data: z.ZodType) => ({ type, data }) };
const added = runInNewContext(`(() => { ${code.replace('export', '')}; return MessageScored; })()`, scope) as {
  readonly type: string;
  readonly data: z.ZodType;
};

const ids = { messageId: newId(), conversationId: newId() };
const score = { ...ids, messageVersion: 1, score: 0.5 };

/** What a consumer of `message.created` decodes from an event that `change` made another one. */
const decoded = (change: (event: Record<string, unknown>) => unknown): unknown => {
  const message = toWireMessage(aMessageCreated());
  const body = Buffer.from(JSON.stringify(change(JSON.parse(message.body.toString()) as Record<string, unknown>)));
  return decode({ ...message, body }, ['message.created']);
};

describe('the page on adding an event', () => {
  it('shows a schema that accepts its event and refuses another', () => {
    expect(added.data.safeParse(score).success).toBe(true);
    expect(added.data.safeParse({ ...score, score: 2 }).success).toBe(false);
  });

  it('says what a consumer makes of an event of another version', () => {
    expect(decoded((event) => ({ ...event, data: { ...(event['data'] as object), mood: 'good' } }))).not.toHaveProperty('data.mood');
    expect(() => decoded((event) => ({ ...event, data: ids }))).toThrow(Reject);
    expect(() => decoded((event) => ({ ...event, version: 2 }))).toThrow(NotKnownYet);
    expect(() => decoded((event) => ({ ...event, type: added.type, data: score }))).toThrow(NotKnownYet);
  });

  it('quotes what the bus says of an event that the row does not emit', async () => {
    const publisher = new MemoryBus({ bufferSize: 1, publishTimeoutMs: 1 });
    const layer = emit({ publisher, emits: [], signal: new AbortController().signal });
    const refused = layer(async () => [{ type: added.type, data: score } as unknown as ParleyEvent])([]);
    const message = await refused.then(
      () => '',
      (error: Error) => error.message,
    );
    expect(message).toContain(added.type);
    expect(page).toContain(`\`${message}\``);
  });

  it('names only files that exist', () => {
    const paths = [...page.matchAll(/`((?:apps|libs|docs|scripts|docker|test)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(paths.length).toBeGreaterThan(8);
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
  });
});
