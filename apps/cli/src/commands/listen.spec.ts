import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ServerFrame } from '#lib/contracts/socket';
import { readableFrame, socketAddress } from './listen.js';

const conversationId = '0197c000-0000-7000-8000-000000000001';
const serverTime = '2026-11-22T00:00:00.000Z';
const shown = (frame: unknown) => {
  const text = readableFrame(frame as ServerFrame);
  return text === undefined ? undefined : stripVTControlCharacters(text);
};
const message = (more: object) => ({
  type: 'message.created',
  conversationId,
  seq: 7,
  message: { senderId: 'alice', content: 'Hello', ...more },
});

const score = (more: object) => ({
  type: 'score.updated',
  userId: 'bob',
  conversationId,
  level: 'acquaintance',
  degraded: false,
  version: 2,
  updatedAt: serverTime,
  ...more,
});

describe('a frame in the terminal', () => {
  it.each([
    ['a message', message({}), `message.created ${conversationId}#7 alice: Hello`],
    ['a deleted message', message({ content: '', deletedAt: serverTime }), `message.created ${conversationId}#7 alice: (deleted)`],
    ['typing', { type: 'typing', conversationId, userId: 'bob' }, `typing          conversationId=${conversationId} userId=bob`],
    ['an error', { type: 'error', code: 'not-found', detail: 'no such conversation' }, 'error           not-found: no such conversation'],
    ['a score', score({ scoreChange: 20, score: 120 }), `score.updated   ${conversationId} bob +20: 120, acquaintance`],
    ['a lower score', score({ scoreChange: -15, score: 105 }), `score.updated   ${conversationId} bob -15: 105, acquaintance`],
    [
      'a score that is calculated again',
      score({ scoreChange: 0, score: 120, degraded: true }),
      `score.updated   ${conversationId} bob +0: 120, acquaintance (degraded: calculated again later)`,
    ],
    ['a ping with heads', { type: 'ping', serverTime, heads: { [conversationId]: 7 } }, `ping            ${conversationId}#7`],
    ['a ping without news', { type: 'ping', serverTime }, undefined],
  ])('%s', (_, frame, line) => {
    expect(shown(frame)).toBe(line);
  });

  it('is one line that cannot move the cursor, and not a long one, whatever its sender wrote', () => {
    const text = readableFrame(message({ content: `\u001b[2J\nx${'y'.repeat(9_000)}` }) as ServerFrame) ?? '';
    expect(text).not.toContain('\u001b[2J');
    expect(text).not.toContain('\n');
    expect(text.length).toBeLessThan(400);
  });
});

describe('the address of the socket', () => {
  it.each([
    ['http://localhost:8081', 'ws://localhost:8081/v1/ws'],
    ['wss://chat.example', 'wss://chat.example/v1/ws'],
    ['https://chat.example/v1/ws', 'wss://chat.example/v1/ws'],
  ])('of %s is %s', (url, address) => {
    expect(socketAddress(url)).toBe(address);
  });

  it.each(['', 'localhost:8081', 'ftp://x', 'ws://'])('refuses %j', (url) => {
    expect(() => socketAddress(url)).toThrow('is not a URL');
  });
});
