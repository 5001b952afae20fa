import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import * as contract from '../../../libs/contracts/src/socket.js';
import { edited, messagesOf } from '../../../libs/testing/src/scripted-socket-server.js';
import * as ours from './frames.js';

/** Assignable in both directions, or it does not compile. */
type Same<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : never) : never;
const same: [
  Same<ours.ServerFrame, contract.ServerFrame>,
  Same<ours.ClientFrame, contract.ClientFrame>,
  Same<ours.ResumePoint, contract.ResumePoint>,
  Same<ours.ServerFrame['type'], contract.ServerFrameType>,
] = [true, true, true, true];

const conversationId = randomUUID();
const [message] = messagesOf(conversationId, 1);
if (message === undefined) throw new Error('no message');
const time = new Date().toISOString();

const fromServer: { [Type in contract.ServerFrameType]: Extract<contract.ServerFrame, { type: Type }> } = {
  welcome: { type: 'welcome', sessionId: randomUUID(), userId: 'alice', pingMs: 25_000, serverTime: time },
  resumed: { type: 'resumed', conversationId, fromSeq: 0, toSeq: 1 },
  'message.created': { type: 'message.created', conversationId, seq: 1, message },
  'message.edited': { type: 'message.edited', conversationId, seq: 1, message: edited(message, 2) },
  'message.deleted': { type: 'message.deleted', conversationId, seq: 1, message: { ...edited(message, 3), content: '', deletedAt: time } },
  'message.indexed': { type: 'message.indexed', messageId: message.id, conversationId, seq: 1 },
  ack: { type: 'ack', ref: '1', id: message.id, seq: 1 },
  receipt: { type: 'receipt', conversationId, userId: 'bob', deliveredSeq: 1, readSeq: 0 },
  typing: { type: 'typing', conversationId, userId: 'bob' },
  presence: { type: 'presence', userId: 'bob', online: false },
  'score.updated': {
    type: 'score.updated',
    userId: 'alice',
    conversationId: 'chat-1',
    scoreChange: -3,
    score: 120,
    level: 'acquaintance',
    degraded: false,
    version: 7,
    updatedAt: time,
  },
  ping: { type: 'ping', heads: { [conversationId]: 1 }, serverTime: time },
  goaway: { type: 'goaway', reconnectInMs: 0 },
  error: { type: 'error', code: 'not-found', detail: 'no such conversation', conversationId },
};

const fromClient: readonly ours.ClientFrame[] = [
  { type: 'hello', token: 'a.b.c', resume: [{ conversationId, seq: 0, changedSince: time }] },
  { type: 'hello', token: 'a.b.c' },
  { type: 'send', ref: '1', conversationId, content: 'hello', clientMessageId: 'f00d' },
  { type: 'typing', conversationId },
  { type: 'receipt', conversationId, readSeq: 1 },
  { type: 'resume', conversationId, seq: 3 },
  { type: 'pong' },
];

it('the client has the subprotocol, the close codes and the frames of the contract', () => {
  expect(same).not.toContain(false);
  expect(ours.SUBPROTOCOL).toBe(contract.SUBPROTOCOL);
  expect(ours.closeCodes).toEqual(contract.closeCodes);
});

it.each(Object.values(fromServer))('the client reads a frame as the contract does: $type', (frame) => {
  const text = JSON.stringify(frame);
  expect(ours.parseServerFrame(text)).toEqual(contract.ServerFrame.parse(JSON.parse(text)));
});

it.each([
  { ...fromServer['message.created'], seq: 0 },
  { ...fromServer['message.created'], seq: 1.5 },
  { ...fromServer['message.edited'], message: null },
  { ...fromServer.welcome, pingMs: '25' },
  { ...fromServer.ping, heads: { [conversationId]: -1 } },
  { ...fromServer.ack, ref: undefined },
])('the client ignores a frame that is not what its type says: %j', (frame) => {
  expect(ours.parseServerFrame(JSON.stringify(frame))).toBeUndefined();
});

it.each(fromClient)('the contract takes what the client sends: $type', (frame) => {
  expect(contract.ClientFrame.parse(JSON.parse(JSON.stringify(frame)))).toEqual(frame);
});

it.each(['', '{', 'null', '7', '{"type":"score.updated"}', '{"type":"toString"}', '{"type":"ping"}', undefined, new ArrayBuffer(2)])(
  'the client ignores what is no frame that it knows: %j',
  (text) => {
    expect(ours.parseServerFrame(text)).toBeUndefined();
  },
);

it('the client ignores fields that it does not know', () => {
  expect(ours.parseServerFrame(JSON.stringify({ ...fromServer.typing, more: 1 }))).toMatchObject(fromServer.typing);
});
