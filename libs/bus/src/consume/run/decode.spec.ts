import { describe, expect, it, vi } from 'vitest';
import { aMessageCreated, deletionOf } from '#lib/testing/builders';
import { decode } from './decode.js';
import { NotKnownYet, Reject } from '../../outcome.js';
import { MAX_BODY_BYTES, toWireMessage } from '../../wire-message.js';

const event = aMessageCreated({ content: 'a secret' });
const withBody = (body: string | Buffer) => ({ ...toWireMessage(event), body: Buffer.from(body) });
const hears = ['message.created', 'message.edited'] as const;

describe('decode', () => {
  it('an encoded event decodes to itself', () => {
    expect(decode(toWireMessage(event), hears)).toEqual(event);
  });

  it('unknown fields are dropped', () => {
    expect(decode(withBody(JSON.stringify({ ...event, later: true })), hears)).toEqual(event);
  });

  it.each([
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00]), 'body is not JSON in UTF-8'],
    ['no JSON', '{', 'body is not JSON in UTF-8'],
    ['no object', 'null', 'body is not an object'],
    ['no type', '{}', 'unknown event type undefined'],
    ['a type of the prototype', '{"type":"toString"}', 'unknown event type "toString"'],
    [
      'a text whose normalization is quadratic',
      JSON.stringify({ ...event, data: { ...event.data, content: `a${'\u0301'.repeat(31)}` } }),
      'message.created breaks its schema: data.content must not have more than 30 combining marks in a row',
    ],
    [
      'a version that no schema has',
      JSON.stringify({ ...event, version: 1e9 }),
      'message.created breaks its schema: version invalid_value',
    ],
    [
      'two conversations in one event',
      JSON.stringify({ ...event, conversationId: '0190a5f0-0000-7000-8000-000000000000' }),
      'message.created breaks its schema: data.conversationId must be the conversation of the envelope',
    ],
    [
      'a version that no message can have',
      JSON.stringify({ ...event, data: { ...event.data, version: 2_147_483_648 } }),
      'message.created breaks its schema: data.version too_big',
    ],
    [
      'a position beyond all numbers',
      JSON.stringify({ ...event, data: { ...event.data, seq: 2 ** 60 } }),
      'message.created breaks its schema: data.seq too_big',
    ],
    ['too much', Buffer.alloc(MAX_BODY_BYTES + 1), `body of ${MAX_BODY_BYTES + 1} bytes is too large`],
  ])('rejects %s', (_, body, reason) => {
    expect(() => decode(withBody(body), hears)).toThrow(new Reject(reason));
  });

  it.each([' ', '\u200d', '\u202eabc'])('a stored text that new messages may not have is accepted: %j', (content) => {
    const old = { ...event, data: { ...event.data, content } };
    expect(decode(withBody(JSON.stringify(old)), hears)).toEqual(old);
  });

  it.each([
    ['a type that only a newer version knows', '{"type":"message.invented"}', 'unknown event type "message.invented"'],
    ['an event that a newer version sends to this queue', JSON.stringify(deletionOf(event)), 'message.deleted is not for this queue'],
    ['a newer schema', JSON.stringify({ ...event, version: 2 }), 'message.created has version 2 of its schema'],
  ])('leaves %s to a newer consumer', (_, body, reason) => {
    expect(() => decode(withBody(body), hears)).toThrow(new NotKnownYet(reason));
  });

  it('a body that is too large is refused unread', () => {
    const body = Buffer.alloc(MAX_BODY_BYTES + 1);
    const parsing = vi.spyOn(JSON, 'parse');
    expect(() => decode(withBody(body), hears)).toThrow(/too large/);
    expect(parsing).not.toHaveBeenCalled();
    parsing.mockRestore();
  });

  it('a refusal names the faults of a body and quotes nothing of it', () => {
    const broken = withBody(JSON.stringify({ ...event, data: { ...event.data, seq: 'a secret', senderId: 'a secret' } }));
    expect(() => decode(broken, hears)).toThrow(/data\.seq invalid_type, data\.senderId invalid_format$/);
  });
});
