import { describe, expect, it } from 'vitest';
import { currentContext } from '#lib/runtime/log/context';
import { aMessageCreated } from '#lib/testing/builders';
import { aReceived } from '../../builders.contract.js';
import type { Received } from '../buffer/received.js';
import { trace } from './trace.js';
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
