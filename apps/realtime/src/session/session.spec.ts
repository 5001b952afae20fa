import { describe, expect, it } from 'vitest';
import type { Caller } from '#lib/auth/caller';
import { TokenVerifierPort } from '#lib/auth/token-verifier.port';
import { newId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { ServerFrame } from '#lib/contracts/socket';
import type { AcceptMessage } from '#lib/conversations/accept-message';
import type { MessageDraft, StoredMessage } from '#lib/conversations/message';
import type { RecordReceipt } from '#lib/conversations/record-receipt';
import { MemoryPresence } from '#lib/live/presence/adapters/memory-presence';
import { DependencyError } from '#lib/resilience/call/errors';
import { MemoryRateLimiter } from '#lib/resilience/adapters/memory-rate-limiter';
import { FairShare } from '#lib/resilience/limit/fair-share';
import { Pressure } from '#lib/resilience/load/pressure';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { FrameCounts } from './frame-counts.js';
import { type LiveHub, type OutgoingFrame, outgoing } from './live-session.js';
import { PendingReceipts } from './pending-receipts.js';
import { SendMessages } from './send-messages.js';
import { Session } from './session.js';
import type { SessionLimits } from './session-limits.js';
import type { SessionSocket } from './session-socket.js';

const limits: SessionLimits = {
  pingMs: 25_000,
  pongTimeoutMs: 10_000,
  helloTimeoutMs: 5_000,
  maxFrameBytes: 65_536,
  bufferFrames: 256,
  bufferBytes: 1_048_576,
  socketsPerUser: 10,
  framesPerSecond: 0,
  maxSockets: 100,
  drainMs: 1_000,
};

/** A connection whose client reads when it is told to. */
class SlowSocket implements SessionSocket {
  readonly frames: ServerFrame[] = [];
  readonly unsent: number[] = [];
  isReading = true;
  isPaused = false;
  end: { code: number; reason: string } | undefined;

  get unsentFrames(): number {
    return this.unsent.length;
  }
  get unsentBytes(): number {
    return this.unsent.reduce((sum, bytes) => sum + bytes, 0);
  }
  send({ bytes }: OutgoingFrame): void {
    this.frames.push(JSON.parse(bytes.toString()) as ServerFrame);
    if (!this.isReading) this.unsent.push(bytes.length);
  }
  known(): void {}
  flush(): void {}
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  close(code: number, reason: string): void {
    this.end = { code, reason };
  }
  terminate(): void {
    this.end ??= { code: 1006, reason: '' };
  }
}

class AnyToken extends TokenVerifierPort {
  override async verify(token: string): Promise<Caller> {
    if (token === 'no-keys') throw new ProblemError('dependency-unavailable', 'Tokens cannot be checked right now.');
    return { userId: token, scopes: new Set(), expiresAt: Date.now() + 60_000 };
  }
}

const silentHub: LiveHub = {
  join: async (_session, _resume, welcome) => welcome(),
  resume: () => undefined,
  typing: () => undefined,
  headsFor: () => undefined,
  leave: () => undefined,
};

const setUp = ({ hub = silentHub, accept }: { hub?: LiveHub; accept?: (draft: MessageDraft) => Promise<StoredMessage> } = {}) => {
  const socket = new SlowSocket();
  const logger = createLogger('test', 'silent');
  const free = { ratePerSecond: 0, burst: 1 };
  const limiters = { perUser: new MemoryRateLimiter(free), global: new MemoryRateLimiter(free) };
  const execute = accept ?? (() => Promise.reject(new Error('not to be called')));
  const sends = new SendMessages(
    { execute } as AcceptMessage,
    limiters,
    new Pressure([], logger),
    new FairShare({ max: 0, maxPerCaller: 0 }),
    logger,
  );
  const session = new Session(socket, {
    limits,
    verifier: new AnyToken(),
    presence: new MemoryPresence(),
    hellos: limiters.perUser,
    live: hub,
    sends,
    receipts: new PendingReceipts({ execute: async () => true } as unknown as RecordReceipt),
    counts: new FrameCounts(),
    ping: () => outgoing({ type: 'ping', serverTime: new Date().toISOString() }),
    onEnd: () => undefined,
  });
  const say = (frame: object) => session.onFrame(Buffer.from(JSON.stringify(frame)), false);
  const open = async () => {
    say({ type: 'hello', token: 'alice' });
    await eventually(() => expect(session.isOpen).toBe(true));
  };
  return { socket, session, say, open, types: () => socket.frames.map(({ type }) => type) };
};

const frame = (size = 100): OutgoingFrame => ({ type: 'message.created', bytes: Buffer.from(JSON.stringify('x'.repeat(size))) });
const stored = (draft: MessageDraft, seq: number): StoredMessage => ({
  replayed: true,
  message: { ...draft, id: newId(), seq, version: 1, createdAt: new Date() },
});

describe('a client that reads slowly', () => {
  it('may have 256 frames unsent, and is closed with 4008 for one more', async () => {
    const { socket, session, open } = setUp();
    await open();
    socket.isReading = false;
    for (let i = 0; i < 256; i += 1) session.send(frame());
    expect(socket.end).toBeUndefined();
    session.send(frame());
    expect(socket.end?.code).toBe(4008);
    const sent = socket.frames.length;
    session.send(frame());
    expect(socket.frames.length).toBe(sent);
  });

  it('may have 1 MB unsent', async () => {
    const { socket, session, open } = setUp();
    await open();
    socket.isReading = false;
    for (let i = 0; i < 16; i += 1) session.send(frame(60_000));
    expect(socket.end).toBeUndefined();
    for (let i = 0; i < 2; i += 1) session.send(frame(60_000));
    expect(socket.end?.code).toBe(4008);
  });

  it('has drained when less than half is unsent, and never when it is closed', async () => {
    const { socket, session, open } = setUp();
    await open();
    socket.isReading = false;
    for (let i = 0; i < 200; i += 1) session.send(frame());
    let outcome: boolean | undefined;
    void session.drained().then((isDrained) => (outcome = isDrained));
    socket.unsent.splice(0, 50);
    session.onWritten();
    await Promise.resolve();
    expect(outcome).toBeUndefined();
    socket.unsent.splice(0, 50);
    session.onWritten();
    await eventually(() => expect(outcome).toBe(true));
    for (let i = 0; i < 100; i += 1) session.send(frame());
    const waiting = session.drained();
    session.onClosed(1006);
    expect(await waiting).toBe(false);
    expect(await session.drained()).toBe(false);
  });

  it('is closed with 4008 when more waits for it and nothing has gone out for as long as a pong may take, however little is unsent', async () => {
    const { socket, session, open } = setUp();
    await open();
    socket.isReading = false;
    for (let i = 0; i < 200; i += 1) session.send(frame());
    const waiting = session.drained();
    const now = performance.now();
    session.due(now + 9_000);
    expect(socket.end).toBeUndefined();
    socket.unsent.splice(0, 10);
    session.onWritten();
    expect(session.dueAt).toBeGreaterThan(now + 9_900);
    session.due(now + 11_000);
    expect(socket.end?.code).toBe(4008);
    expect(await waiting).toBe(false);
  });
});

describe('an error of ours while a frame is handled', () => {
  const typing = { type: 'typing', conversationId: newId() };
  const broken: LiveHub = {
    ...silentHub,
    typing: () => {
      throw new Error('a secret of ours');
    },
  };
  const ended = { code: 1011, reason: 'something went wrong on our side' };

  it('ends its session and no other', async () => {
    const { socket, say, open } = setUp({ hub: broken });
    await open();
    say(typing);
    expect(socket.end).toEqual(ended);
  });

  it('that came with the hello does so, too', async () => {
    const { socket, say } = setUp({ hub: broken });
    say({ type: 'hello', token: 'alice' });
    say(typing);
    await eventually(() => expect(socket.end).toEqual(ended));
  });
});

describe('a hello', () => {
  it('is answered with the welcome before anything else, and what came with it is handled when the conversations are known', async () => {
    const { promise: known, resolve } = Promise.withResolvers<void>();
    const typed: string[] = [];
    const hub = {
      ...silentHub,
      join: (_one: unknown, _resume: unknown, welcome: () => void) => {
        welcome();
        return known;
      },
      typing: (_: unknown, conversationId: string) => void typed.push(conversationId),
    };
    const { socket, say, types } = setUp({ hub });
    const id = newId();
    say({ type: 'hello', token: 'alice' });
    say({ type: 'typing', conversationId: id });
    await eventually(() => expect(types()).toEqual(['welcome']));
    expect(socket.isPaused).toBe(true);
    expect(typed).toEqual([]);
    resolve();
    await eventually(() => expect(typed).toEqual([id]));
    expect(socket.isPaused).toBe(false);
  });

  it.each([
    ['Postgres is away', 'alice', () => Promise.reject(new DependencyError('postgres', 'reads', 'open'))],
    ['the keys of tokens are away', 'no-keys', () => Promise.resolve()],
  ])('is answered with 1013 while %s, without a word of the driver', async (_, token, join) => {
    const { socket, say } = setUp({ hub: { ...silentHub, join } });
    say({ type: 'hello', token });
    await eventually(() => expect(socket.end?.code).toBe(1013));
    expect(socket.end?.reason).toMatch(/^(A part of the system is unavailable|Tokens cannot be checked right now)\.$/);
  });

  it('is ended with 4401 when it does not come in time, and cut off 2 s later', () => {
    const { socket, session } = setUp();
    session.due(performance.now() + 5_000);
    expect(socket.end?.code).toBe(4401);
    expect(session.dueAt - performance.now()).toBeLessThanOrEqual(2_000);
  });
});

it('a session that is joining when the process stops is told to go when it has joined', async () => {
  const { promise: known, resolve } = Promise.withResolvers<void>();
  const join: LiveHub['join'] = (_session, _resume, welcome) => {
    welcome();
    return known;
  };
  const { socket, session, say, types } = setUp({ hub: { ...silentHub, join } });
  say({ type: 'hello', token: 'alice' });
  await eventually(() => expect(types()).toEqual(['welcome']));
  session.leaveIn(10_000);
  resolve();
  await eventually(() => expect(types()).toEqual(['welcome', 'goaway']));
  session.due(performance.now() + 10_000);
  expect(socket.end?.code).toBe(4001);
});

describe('sends of a socket', () => {
  it('are refused beyond 16 in hand, and those are acknowledged in their order', async () => {
    const waiting: (() => void)[] = [];
    let seq = 0;
    const accept = (draft: MessageDraft) => new Promise<StoredMessage>((resolve) => waiting.push(() => resolve(stored(draft, ++seq))));
    const { socket, say, open } = setUp({ accept });
    await open();
    for (let i = 1; i <= 17; i += 1) say({ type: 'send', ref: `${i}`, conversationId: newId(), content: `${i}`, clientMessageId: `${i}` });
    expect(socket.frames.at(-1)).toMatchObject({ type: 'error', ref: '17', code: 'rate-limited', retryAfterMs: 1_000 });
    await eventually(() => expect(waiting.length).toBe(16));
    for (const settle of waiting) settle();
    await eventually(() => expect(socket.frames.filter(({ type }) => type === 'ack').length).toBe(16));
    expect(socket.frames.filter((each) => each.type === 'ack').map(({ ref, seq: at }) => [ref, at])).toEqual(
      Array.from({ length: 16 }, (_, i) => [`${i + 1}`, i + 1]),
    );
  });

  it('are acknowledged before the socket of a stopping process is closed', async () => {
    const accepted: (() => void)[] = [];
    const accept = (draft: MessageDraft) => new Promise<StoredMessage>((resolve) => accepted.push(() => resolve(stored(draft, 1))));
    const { socket, session, say, open, types } = setUp({ accept });
    await open();
    say({ type: 'send', ref: 'r', conversationId: newId(), content: 'x', clientMessageId: 'm' });
    await eventually(() => expect(accepted).toHaveLength(1));
    session.leaveIn(0);
    session.due(performance.now() + 1);
    expect({ end: socket.end, isPaused: socket.isPaused }).toEqual({ end: undefined, isPaused: true });
    for (const settle of accepted) settle();
    await eventually(() => expect(socket.end?.code).toBe(4001));
    expect(types()).toEqual(['welcome', 'goaway', 'ack']);
  });

  it('tell nothing of what failed inside', async () => {
    const { socket, say, open } = setUp({ accept: () => Promise.reject(new Error('relation "messages" does not exist')) });
    await open();
    say({ type: 'send', ref: 'r', conversationId: newId(), content: 'x', clientMessageId: 'm' });
    await eventually(() => expect(socket.frames.at(-1)).toMatchObject({ type: 'error', ref: 'r', code: 'internal' }));
    expect(JSON.stringify(socket.frames)).not.toContain('relation');
  });
});

it('a session is pinged at its time, and closed with 4012 when no pong comes', async () => {
  const { socket, session, say, open, types } = setUp({ hub: { ...silentHub, headsFor: () => ({ [newId()]: 7 }) } });
  await open();
  const now = performance.now();
  session.due(now + 25_000);
  expect(types().at(-1)).toBe('ping');
  expect(socket.frames.at(-1)).toMatchObject({ heads: expect.any(Object) });
  say({ type: 'pong' });
  session.due(now + 35_001);
  expect(socket.end).toBeUndefined();
  session.due(now + 50_001);
  session.due(now + 61_000); // the token has ended by then, too: a pong says nothing about it
  expect(socket.end?.code).toBe(4401);
});
