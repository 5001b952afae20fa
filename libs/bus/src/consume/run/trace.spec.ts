import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { currentContext } from '#lib/runtime/log/context';
import { aMessageCreated } from '#lib/testing/builders';
import { aReceived } from '../../builders.contract.js';
import type { Received } from '../buffer/received.js';
import { type EndedSpan, exportSpansTo } from '#lib/runtime/trace/span';
import { SomeFailed } from '../../outcome.js';
import { trace, traceparentOf } from './trace.js';
import { toWireMessage } from '../../wire-message.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const from = (event = aMessageCreated(), requestId = 'r1', traceparent = `00-${TRACE}-b7ad6b7169203331-01`): Received =>
  aReceived(event, toWireMessage(event, { requestId, traceparent }));

const contextIn = async (items: readonly Received[]) => {
  let seen = {};
  await trace('embedding.messages')(async () => {
    seen = currentContext();
    return [];
  })(items);
  return seen;
};

describe('trace', () => {
  it("a single event runs with its ids, as a child span of its publisher's", async () => {
    const event = aMessageCreated();
    expect(await contextIn([from(event)])).toEqual({
      requestId: 'r1',
      conversationId: event.conversationId,
      messageId: event.data.messageId,
      traceparent: expect.stringMatching(new RegExp(`^00-${TRACE}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`)),
    });
  });

  it('a batch runs with the ids that its events share', async () => {
    const first = aMessageCreated();
    const second = aMessageCreated({ conversationId: first.conversationId });
    expect(await contextIn([from(first), from(second, 'r2')])).toEqual({ conversationId: first.conversationId });
    expect(await contextIn([from(first), from(aMessageCreated(), 'r2')])).toEqual({});
  });

  it('an invalid traceparent is ignored', async () => {
    expect(await contextIn([from(aMessageCreated(), 'r1', 'nonsense')])).not.toHaveProperty('traceparent');
  });
});

describe('spans of what is handled', () => {
  let spans: EndedSpan[];
  beforeEach(() => {
    spans = [];
    exportSpansTo((span) => spans.push(span));
  });
  afterEach(() => exportSpansTo(undefined));
  const run = (items: readonly Received[], handle: () => void) =>
    trace('embedding.messages')(() => {
      handle();
      return Promise.resolve([]);
    })(items);

  it("one event has one, below its publisher's, and what it calls is below that", async () => {
    const item = from();
    let inside: string | undefined;
    await run([item], () => (inside = currentContext().traceparent));

    expect(spans).toMatchObject([
      { name: 'process embedding.messages', kind: 'consumer', parent: `00-${TRACE}-b7ad6b7169203331-01`, links: [], failure: undefined },
    ]);
    expect(spans[0]?.traceparent).toBe(inside);
    expect(traceparentOf(item.event)).toBe(inside);
    expect(item.context?.traceparent).toBe(inside);
  });

  it('a batch has one of its own, linked to each event, and each event has one that is linked to it', async () => {
    const items = [from(aMessageCreated()), from(aMessageCreated(), 'r2', `00-${TRACE.replace('0', '1')}-b7ad6b7169203331-01`)];
    let inside: string | undefined;
    await run(items, () => (inside = currentContext().traceparent));

    const [one, other, batch] = spans;
    expect(batch).toMatchObject({ name: 'process batch embedding.messages', parent: undefined, traceparent: inside });
    expect(batch?.links).toEqual([one?.traceparent, other?.traceparent]);
    expect([one?.links, other?.links]).toEqual([[inside], [inside]]);
    expect(spans).toHaveLength(3);
  });

  it('an event that fails alone fails its own; a batch that fails as a whole has its events tried again, each with a span then', async () => {
    const items = [from(aMessageCreated()), from(aMessageCreated())];
    const [bad] = items;
    const some = new SomeFailed(new Map([[bad?.event.eventId ?? '', new Error('secret words')]]));
    await expect(run(items, () => raise(some))).rejects.toBe(some);
    expect(spans.map(({ name, failure }) => [name, failure])).toEqual([
      ['process embedding.messages', 'failed'],
      ['process embedding.messages', undefined],
      ['process batch embedding.messages', 'SomeFailed'],
    ]);
    expect(JSON.stringify(spans)).not.toContain('secret');

    spans.length = 0;
    await expect(run(items, () => raise(new RangeError()))).rejects.toThrow(RangeError);
    expect(spans.map(({ name }) => name)).toEqual(['process batch embedding.messages']);
  });

  it('a trace that is not sampled goes no further than its ids', async () => {
    const item = from(aMessageCreated(), 'r1', `00-${TRACE}-b7ad6b7169203331-00`);
    await run([item], () => undefined);
    expect(spans).toEqual([]);
    expect(traceparentOf(item.event)).toBeUndefined();
  });
});

const raise = (error: Error): never => {
  throw error;
};
