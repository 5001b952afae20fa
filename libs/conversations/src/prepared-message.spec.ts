import { describe, expect, it } from 'vitest';
import { MessageCreated, MessageDeleted, MessageEdited } from '#lib/contracts/events';
import { NewMessage } from '#lib/contracts/http';
import { newId } from '#lib/contracts/ids';
import { MAX_CONTENT_LENGTH } from '#lib/contracts/text';
import { deletionOf, editOf } from './change-message.js';
import { announcementOf, messageOf, prepare } from './prepared-message.js';

/** The relay publishes what this process made without asking its schema (`publishOwn`): whatever the edge lets in must meet it. */
describe('an event made of a message that the edge lets in', () => {
  it.each([
    ['one visible character', '.'],
    ['the longest text', 'x'.repeat(MAX_CONTENT_LENGTH)],
    ['emoji, Vietnamese, Arabic and Han', '👩‍👩‍👧 cà phê قهوة 咖啡'],
    ['line breaks and quotes', '"a"\r\n\t\\u0000'],
    ['30 marks in a row', `a${'\u0301'.repeat(30)}`],
    ['closed bidirectional controls', '\u2066abc\u2069'],
  ])('meets its schema with %s', (_, text) => {
    const { content, metadata, priority } = NewMessage.parse({ content: text, metadata: { client: 'web' } });
    const draft = { conversationId: newId(), senderId: 'alice', content, metadata, priority, requestId: 'r', traceparent: 't' };
    const prepared = prepare(draft, new Date());

    const created = announcementOf(prepared, Number.MAX_SAFE_INTEGER);
    expect(MessageCreated.parse(created)).toEqual(created);
    const message = messageOf(prepared, 1);
    const { event: edited } = editOf(message, content, new Date());
    expect(MessageEdited.parse(edited)).toEqual(edited);
    const deleted = deletionOf(message, new Date())?.event;
    expect(MessageDeleted.parse(deleted)).toEqual(deleted);
  });
});
