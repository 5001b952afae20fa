import { describe, expect, it } from 'vitest';
import { aMessageCreated } from '#lib/testing/builders';
import {
  attemptOf,
  forDeadLetterQueue,
  forLater,
  forNextAttempt,
  header,
  MAX_BODY_BYTES,
  toWireMessage,
  type WireMessage,
} from './wire-message.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const event = aMessageCreated();
const message = toWireMessage(event, { requestId: 'r1', traceparent: TRACEPARENT });
const fromBroker: WireMessage = {
  ...message,
  headers: {
    ...message.headers,
    'x-death': [{ count: 1 }],
    'x-first-death-queue': 'q',
    'x-first-death-reason': 'expired',
    'x-last-death-queue': 'q',
    'x-delivery-count': 2,
    'x-of-somebody-else': 'stays',
  },
};

describe('toWireMessage', () => {
  it('the envelope travels in the body, ids and version in the headers', () => {
    expect(JSON.parse(message.body.toString())).toEqual(event);
    expect(message).toMatchObject({
      id: event.eventId,
      type: 'message.created',
      headers: {
        [header.schemaVersion]: 1,
        [header.attempt]: 1,
        [header.requestId]: 'r1',
        [header.conversationId]: event.conversationId,
        [header.traceparent]: TRACEPARENT,
      },
    });
  });

  it('an unknown id has no header', () => {
    expect(Object.keys(toWireMessage(event).headers)).toEqual([header.schemaVersion, header.attempt, header.conversationId]);
  });

  it('an event that breaks its schema is refused', () => {
    expect(() => toWireMessage({ ...event, occurredAt: 'yesterday' })).toThrow(/occurredAt/);
  });

  it('carries the longest message there can be', () => {
    const longest = aMessageCreated({ content: '\u{10ffff}'.repeat(8_192) });
    expect(toWireMessage(longest).body.byteLength).toBeLessThan(MAX_BODY_BYTES);
  });
});

describe('a copy', () => {
  it('for the next try counts on, notes the first failure and leaves the body alone', () => {
    const now = new Date('2026-01-01T00:00:00Z');
    const second = forNextAttempt(fromBroker, now);
    const third = forNextAttempt(second, new Date('2026-01-01T00:00:09Z'));
    expect(attemptOf(third)).toBe(3);
    expect(third.headers[header.firstFailedAt]).toBe(now.toISOString());
    expect(third.body).toBe(message.body);
  });

  it('for later keeps the count', () => {
    expect(forLater(forNextAttempt(message)).headers).toMatchObject({ [header.attempt]: 2 });
  });

  it.each([
    ['the next try', forNextAttempt(fromBroker)],
    ['later', forLater(fromBroker)],
    ['the dead-letter queue', forDeadLetterQueue(fromBroker, new Error('x'), 'q')],
  ])('for %s carries no header of the broker, and all others', (_, copy) => {
    expect(Object.keys(copy.headers).filter((name) => /death|count/.test(name))).toEqual([]);
    expect(copy.headers).toMatchObject({ 'x-of-somebody-else': 'stays', [header.requestId]: 'r1' });
  });

  it('for the dead-letter queue tells what went wrong, in few words', () => {
    const letter = forDeadLetterQueue(forNextAttempt(message), new RangeError('y'.repeat(9_000)), 'embedding.messages');
    expect(letter.headers).toMatchObject({
      [header.error]: 'y'.repeat(500),
      [header.errorClass]: 'RangeError',
      [header.attempts]: 2,
      [header.originQueue]: 'embedding.messages',
      [header.traceId]: '0af7651916cd43dd8448eb211c80319c',
    });
  });

  it('a thrown value that is no error is described by its type', () => {
    expect(forDeadLetterQueue(message, { secret: 1 }, 'q').headers).toMatchObject({
      [header.error]: 'something other than an error was thrown: object',
      [header.errorClass]: 'object',
    });
  });

  it('groups dead letters by where they died, not by what they said', () => {
    const die = (words: string) => new Error(words);
    const [one, other] = ['one', 'other'].map((words) => forDeadLetterQueue(message, die(words), 'q').headers[header.stackHash]);
    const elsewhere = forDeadLetterQueue(message, new TypeError('one'), 'q').headers[header.stackHash];
    expect(one).toBe(other);
    expect(elsewhere).not.toBe(one);
  });
});

describe('attemptOf', () => {
  it.each([[undefined], ['2'], [0], [1.5], [{}]])('the attempt header %s counts as a first attempt', (value) => {
    expect(attemptOf({ headers: { [header.attempt]: value } })).toBe(1);
  });
});
