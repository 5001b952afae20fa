import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../libs/testing/src/eventually.js';
import { FaultProxy } from '../../../libs/testing/src/fault-proxy.js';
import { edited, messagesOf, type ScriptedConnection, ScriptedSocketServer } from '../../../libs/testing/src/scripted-socket-server.js';
import type { ResumePoint } from './frames.js';
import type { Change } from './ordered-conversation.js';
import { ParleySocket, type ParleySocketOptions } from './parley-socket.js';
import type { ConnectionState } from './reconnecting-connection.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** Reconnects at once, for tests that are not about the pause. */
const hurried = { backoff: { minMs: 1, maxMs: 5 } };

async function given(options: Partial<ParleySocketOptions> = {}) {
  const server = await ScriptedSocketServer.start();
  cleanups.push(() => server.stop());
  return { server, ...clientOf(server.url, options) };
}

function clientOf(url: string, options: Partial<ParleySocketOptions>) {
  const client = new ParleySocket({
    url,
    token: 'a token',
    framesPerSecond: 10_000,
    ...options,
    timing: { ...hurried, ...options.timing },
  });
  cleanups.push(() => client.close());
  const states: ConnectionState[] = [];
  client.on('state', (state) => states.push(state));
  return { client, states };
}

/** Reads a loop to its end, into a list. */
function collect(changes: AsyncIterable<Change>): Change[] {
  const seen: Change[] = [];
  void (async () => {
    for await (const change of changes) seen.push(change);
  })();
  return seen;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const seqsOf = (changes: readonly Change[]): number[] => changes.map(({ seq }) => seq);

function only<T>([first]: readonly T[]): T {
  if (first === undefined) throw new Error('there is none');
  return first;
}

describe('a client that connects', () => {
  it('says hello with its token and the positions that it was given', async () => {
    const resume: ResumePoint[] = [{ conversationId: randomUUID(), seq: 4, changedSince: '2026-11-22T10:00:00.000Z' }];
    const { server, client } = await given({ token: async () => 'from afar', resume });
    await client.connect();
    const connection = await server.greeted(1);
    expect(connection.socket.protocol).toBe('parley.v1');
    expect(connection.heard('hello')).toEqual([{ type: 'hello', token: 'from afar', resume }]);
    expect(client.userId).toBe('alice');
    expect(client.state.state).toBe('live');
  });

  it('asks for those conversations one by one that do not fit into a hello of 64 KB', async () => {
    const resume = Array.from({ length: 1_100 }, () => ({
      conversationId: randomUUID(),
      seq: 1_234_567,
      changedSince: new Date().toISOString(),
    }));
    const { server, client } = await given({ resume });
    await client.connect();
    const connection = await server.greeted(1);
    const hello = only(connection.heard('hello'));
    expect(JSON.stringify(hello).length).toBeLessThan(65_536 - 8_192);
    expect(hello.resume?.length).toBeGreaterThan(400);
    await eventually(() =>
      expect(new Set([...(hello.resume ?? []), ...connection.heard('resume')].map(({ conversationId }) => conversationId)).size).toBe(
        1_100,
      ),
    );
  });

  it('answers pings', async () => {
    const { server, client } = await given();
    await client.connect();
    const connection = await server.greeted(1);
    connection.ping();
    await eventually(() => expect(connection.heard('pong')).toHaveLength(1));
  });

  it('refuses an address that is no WebSocket', () => {
    expect(() => new ParleySocket({ url: 'http://localhost:8081', token: '' })).toThrow(
      'http://localhost:8081 is not the URL of a WebSocket',
    );
  });

  it('says so where the platform has no WebSocket', async () => {
    const { client } = await given();
    const { WebSocket } = globalThis;
    Reflect.deleteProperty(globalThis, 'WebSocket');
    const connecting = client.connect();
    Object.defineProperty(globalThis, 'WebSocket', { value: WebSocket, configurable: true, writable: true, enumerable: false });
    await expect(connecting).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('WebSocket') });
  });

  it('tries again when the token cannot be got', async () => {
    let asked = 0;
    const token = () => {
      asked += 1;
      if (asked < 3) throw new Error('the login page is down');
      return 'at last';
    };
    const { client, states } = await given({ token });
    await client.connect();
    expect(states[1]).toMatchObject({ state: 'waiting', reason: 'no token: the login page is down' });
  });
});

describe('what a reader is shown', () => {
  it('is whole and in order when the server repeats, reorders and skips', async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 0 }] });
    const all = messagesOf(id, 9);
    const seen = collect(client.messages(id));
    await client.connect();
    const connection = await server.greeted(1);
    const message = (seq: number) => only(all.slice(seq - 1));
    connection.created(message(1), message(1), message(3), message(2), message(2));
    server.history.set(id, all);
    connection.created(message(8));
    await eventually(() => expect(seqsOf(seen)).toEqual(upTo(9)));
    expect(connection.heard('resume')[0]).toMatchObject({ conversationId: id, seq: 1 });
  });

  it('is healed when a ping names a seq that never came', async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 0 }] });
    const seen = collect(client.messages());
    await client.connect();
    server.history.set(id, messagesOf(id, 5));
    (await server.greeted(1)).ping({ [id]: 5 });
    await eventually(() => expect(seqsOf(seen)).toEqual(upTo(5)));
  });

  it('has the edits that came before their message, and each change once', async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 0 }] });
    const [first, second] = messagesOf(id, 2);
    if (first === undefined || second === undefined) throw new Error('no messages');
    const seen = collect(client.messages(id));
    await client.connect();
    server.onFrame = () => undefined; // asked for the gap, it says nothing
    const connection = await server.greeted(1);
    connection.changed('edited', edited(second, 2));
    connection.created(first, second);
    connection.changed('edited', edited(first, 2));
    connection.changed('edited', edited(first, 2));
    connection.changed('deleted', { ...edited(first, 3), content: '' });
    await eventually(() => expect(seen).toHaveLength(4));
    expect(seen.map(({ type, seq, message }) => [type, seq, message.version])).toEqual([
      ['created', 1, 1],
      ['created', 2, 2],
      ['edited', 1, 2],
      ['deleted', 1, 3],
    ]);
  });

  it('waits for a slow loop and lacks nothing afterwards', async () => {
    const id = randomUUID();
    const { server, client } = await given({ bufferSize: 4, resume: [{ conversationId: id, seq: 0 }] });
    server.history.set(id, messagesOf(id, 1_000));
    const changes = client.messages(id);
    await client.connect();
    const connection = await server.greeted(1);
    connection.ping();
    await eventually(() => expect(connection.heard('pong')).toHaveLength(1)); // all of it has arrived
    const shown: number[] = [];
    for await (const { seq } of changes) {
      shown.push(seq);
      expect(client.positions()[0]?.seq).toBe(seq - 1);
      if (seq === 1_000) break;
    }
    expect(shown).toEqual(upTo(1_000));
    // What did not fit was dropped, and asked for again.
    expect(connection.heard('resume').length).toBeGreaterThan(0);
  });

  it('comes as events, too, and a listener that was taken away hears nothing', async () => {
    const id = randomUUID();
    const { server, client } = await given();
    const heard: string[] = [];
    const types = ['message', 'edited', 'deleted', 'receipt', 'typing', 'presence', 'indexed', 'score', 'problem'] as const;
    const off = types.map((type) => client.on(type, () => heard.push(type)));
    await client.connect();
    const connection = await server.greeted(1);
    const say = () => {
      const message = only(messagesOf(id, 1));
      connection.created(message);
      connection.changed('edited', edited(message, 2));
      connection.changed('deleted', { ...edited(message, 3), content: '' });
      connection.send({ type: 'receipt', conversationId: id, userId: 'bob', deliveredSeq: 1, readSeq: 1 });
      connection.send({ type: 'typing', conversationId: id, userId: 'bob' });
      connection.send({ type: 'presence', userId: 'bob', online: true });
      connection.send({ type: 'message.indexed', messageId: message.id, conversationId: id, seq: 1 });
      const score = {
        type: 'score.updated',
        userId: 'alice',
        conversationId: 'chat-1',
        scoreChange: 3,
        score: 3,
        level: 'stranger',
      } as const;
      for (const version of [1, 1]) connection.send({ ...score, degraded: false, version, updatedAt: new Date().toISOString() });
      connection.send({ type: 'error', code: 'rate-limited', detail: 'slow down' });
    };
    say();
    await eventually(() => expect(heard).toEqual(types));
    for (const remove of off) remove();
    say();
    connection.ping();
    await eventually(() => expect(connection.heard('pong')).toHaveLength(1));
    expect(heard).toEqual(types);
  });

  it('ends for a conversation that the user was removed from, and goes on for the others', async () => {
    const [gone, kept] = [randomUUID(), randomUUID()];
    const { server, client } = await given({ resume: [gone, kept].map((conversationId) => ({ conversationId, seq: 0 })) });
    server.onFrame = (connection, frame) => {
      if (frame.type !== 'hello') return;
      connection.welcome();
      connection.send({ type: 'error', code: 'not-found', detail: 'no such conversation', conversationId: gone });
    };
    const removed: string[] = [];
    client.on('removed', ({ conversationId }) => removed.push(conversationId));
    const changes = client.messages(gone);
    await client.connect();
    expect(await changes.next()).toEqual({ done: true, value: undefined });
    expect(removed).toEqual([gone]);
    expect(client.positions().map(({ conversationId }) => conversationId)).toEqual([kept]);
  });

  it('does not end when a process that has not heard of the conversation yet refuses a receipt', async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 0 }] });
    server.history.set(id, messagesOf(id, 2));
    server.onFrame = (connection, frame) => {
      if (frame.type !== 'receipt') server.behave(connection, frame);
      else connection.send({ type: 'error', code: 'not-found', detail: 'no such conversation', conversationId: id });
    };
    const removed: unknown[] = [];
    client.on('removed', (event) => removed.push(event));
    const seen = collect(client.messages(id));
    await client.connect();
    await eventually(() => expect(seen).toHaveLength(2));
    const connection = await server.greeted(1);
    client.markRead(id, 2);
    await eventually(() => expect(connection.heard('resume')).toHaveLength(1));
    connection.created({ ...only(messagesOf(id, 1)), seq: 3 });
    await eventually(() => expect(seqsOf(seen)).toEqual([1, 2, 3]));
    expect(removed).toEqual([]);
  });

  it('stands still with an event when too much is missing, and goes on from a new place', async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 3 }] });
    server.onFrame = (connection, frame) => {
      if (frame.type === 'hello') {
        connection.welcome();
        connection.send({ type: 'error', code: 'validation', detail: 'more than 10,000 messages are missing', conversationId: id });
      } else server.behave(connection, frame);
    };
    const behind: unknown[] = [];
    client.on('behind', (event) => behind.push(event));
    const seen = collect(client.messages(id));
    await client.connect();
    await eventually(() => expect(behind).toEqual([{ conversationId: id, seq: 3, detail: 'more than 10,000 messages are missing' }]));
    server.history.set(id, messagesOf(id, 20_003));
    client.follow({ conversationId: id, seq: 20_000 });
    await eventually(() => expect(seqsOf(seen)).toEqual([20_001, 20_002, 20_003]));
  });
});

describe('a client that lost its connection', () => {
  it('ends a pause when it is told to hurry, but not one that the server asks for', async () => {
    const { server, client } = await given({ timing: { backoff: { minMs: 60_000, maxMs: 60_000 } } });
    await client.connect();
    (await server.greeted(1)).socket.close(1001);
    await eventually(() => expect(client.state.state).toBe('waiting'));
    client.hurry();
    await eventually(() => expect(client.state.state).toBe('live'));
    (await server.greeted(2)).socket.close(4013);
    await eventually(() => expect(client.state).toMatchObject({ state: 'waiting', code: 4013 }));
    client.hurry();
    expect(client.state.state).toBe('waiting');
  });

  it('comes back with every conversation that it knows, and shows what it missed', async () => {
    const [given1, heard] = [randomUUID(), randomUUID()];
    const { server, client } = await given({ resume: [{ conversationId: given1, seq: 0 }] });
    const seen = collect(client.messages());
    await client.connect();
    const first = await server.greeted(1);
    first.created(...messagesOf(heard, 2));
    await eventually(() => expect(seen).toHaveLength(2));
    server.history.set(given1, messagesOf(given1, 3));
    first.socket.terminate();
    const second = await server.greeted(2);
    expect(only(second.heard('hello')).resume).toEqual([
      { conversationId: given1, seq: 0, changedSince: expect.any(String) },
      { conversationId: heard, seq: 2, changedSince: expect.any(String) },
    ]);
    await eventually(() =>
      expect(seen.slice(2).map(({ conversationId, seq }) => [conversationId, seq])).toEqual([1, 2, 3].map((seq) => [given1, seq])),
    );
  });

  it.each([4001, 4008, 4012, 1013])('comes back after code %i', async (code) => {
    const { server, client, states } = await given();
    await client.connect();
    (await server.greeted(1)).socket.close(code, 'because');
    await server.greeted(2);
    expect(states.find(({ state }) => state === 'waiting')).toMatchObject({ reason: 'because', code });
  });

  it.each([4013, 4400, 4403])('does not come back at once after code %i', async (code) => {
    const { server, client } = await given();
    await client.connect();
    (await server.greeted(1)).socket.close(code);
    await eventually(() => expect(client.state).toMatchObject({ state: 'waiting', code }));
    expect(client.state).toMatchObject({ retryInMs: expect.toSatisfy((ms: number) => ms >= 10_000) });
  });

  it('stays as long as a server lets it that goes away, and comes back when it was told', async () => {
    const { server, client } = await given();
    await client.connect();
    const first = await server.greeted(1);
    first.send({ type: 'goaway', reconnectInMs: 150 });
    const toldAt = performance.now();
    await server.greeted(2);
    expect(performance.now() - toldAt).toBeGreaterThan(140);
    await eventually(() => expect(first.isClosed).toBe(true));
  });

  it('waits for the rest of the time that it was given when the server closes before', async () => {
    const { server, client } = await given();
    await client.connect();
    const first = await server.greeted(1);
    const toldAt = performance.now();
    first.send({ type: 'goaway', reconnectInMs: 200 });
    first.socket.close(4001);
    await server.greeted(2);
    expect(performance.now() - toldAt).toBeGreaterThan(190);
  });

  it('does not come back at once, again and again, to a server that says goodbye as soon as it has said welcome', async () => {
    const { server, client, states } = await given({ timing: { backoff: { minMs: 60_000, maxMs: 60_000 } } });
    server.onFrame = (connection, frame) => {
      server.behave(connection, frame);
      if (frame.type === 'hello') connection.send({ type: 'goaway', reconnectInMs: 0 });
    };
    await client.connect();
    await server.greeted(2);
    const pauses = () => states.flatMap((state) => (state.state === 'waiting' ? [state.retryInMs] : []));
    await eventually(() => expect(pauses()).toHaveLength(2));
    expect(pauses()).toEqual([expect.toSatisfy((ms: number) => ms < 2), expect.toSatisfy((ms: number) => ms > 2)]);
    expect(server.connections).toHaveLength(2);
  });

  it('gives a server up that accepts and says nothing', async () => {
    const { server, client, states } = await given({ timing: { connectMs: 100 } });
    server.onFrame = (connection, frame) => {
      if (server.connections.length > 1) server.behave(connection, frame);
    };
    await client.connect();
    expect(states).toContainEqual(expect.objectContaining({ state: 'waiting', reason: 'no welcome in time' }));
  });

  it('notices a connection that is only half there', async () => {
    const server = await ScriptedSocketServer.start();
    cleanups.push(() => server.stop());
    server.pingMs = 100;
    const proxy = await FaultProxy.before(server.url);
    cleanups.push(() => proxy.stop());
    const { client, states } = clientOf(proxy.through(server.url), { timing: { graceMs: 100 } });
    await client.connect();
    await proxy.set({ kind: 'hang' }, 'existing');
    await server.greeted(2);
    await eventually(() => expect(client.state.state).toBe('live'));
    expect(states).toContainEqual(expect.objectContaining({ state: 'waiting', reason: 'the server fell silent' }));
  });

  it('stays on a connection that is quiet but pings', async () => {
    // Silence is 2 s; the pings go on for longer.
    const { server, client } = await given({ timing: { graceMs: 1_550 } });
    server.pingMs = 300;
    await client.connect();
    const connection = await server.greeted(1);
    for (let pings = 0; pings < 12; pings += 1) {
      connection.ping();
      await eventually(() => expect(connection.heard('pong')).toHaveLength(pings + 1), { everyMs: 200 });
    }
    expect(server.connections).toHaveLength(1);
  });

  it('asks again for what a resume did not bring', async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 0 }] });
    const all = messagesOf(id, 6);
    const answers = [all.slice(0, 2), all.slice(2, 4), all.slice(4)];
    server.onFrame = (connection, frame) => {
      if (frame.type !== 'hello' && frame.type !== 'resume') return;
      if (frame.type === 'hello') connection.welcome();
      connection.created(...(answers.shift() ?? []));
      connection.send({ type: 'resumed', conversationId: id, fromSeq: 0, toSeq: 6 });
    };
    const seen = collect(client.messages(id));
    await client.connect();
    await eventually(() => expect(seqsOf(seen)).toEqual(upTo(6)));
  });

  it('asks again later when the server cannot answer a resume', async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 0 }] });
    server.history.set(id, messagesOf(id, 2));
    server.onFrame = (connection, frame) => {
      if (frame.type !== 'hello') return server.behave(connection, frame);
      connection.welcome();
      connection.send({ type: 'error', code: 'dependency-unavailable', detail: 'no Postgres', conversationId: id, retryAfterMs: 50 });
    };
    const seen = collect(client.messages(id));
    await client.connect();
    await eventually(() => expect(seqsOf(seen)).toEqual([1, 2]));
  });
});

describe('tokens', () => {
  const refusing = (server: ScriptedSocketServer, isGood: (token: string) => boolean) => {
    server.onFrame = (connection, frame) => {
      if (frame.type === 'hello' && !isGood(frame.token)) connection.socket.close(4401, 'expired');
      else server.behave(connection, frame);
    };
  };

  it('a token that expired is replaced at once', async () => {
    let minted = 0;
    const { server, client, states } = await given({ token: () => String((minted += 1)) });
    await client.connect();
    (await server.greeted(1)).socket.close(4401, 'expired');
    expect(only((await server.greeted(2)).heard('hello')).token).toBe('2');
    expect(states.map(({ state }) => state)).not.toContain('waiting');
  });

  it('tokens that end as soon as they are welcome are not asked for again and again without a pause', async () => {
    let minted = 0;
    const { server, client, states } = await given({
      token: () => String((minted += 1)),
      timing: { backoff: { minMs: 60_000, maxMs: 60_000 } },
    });
    await client.connect();
    for (const n of [1, 2]) (await server.greeted(n)).socket.close(4401, 'expired');
    await eventually(() => expect(states.at(-1)).toMatchObject({ state: 'waiting', code: 4401 }));
    expect(minted).toBe(2);
  });

  it('a new token that is refused as well ends the client and its loops', async () => {
    const { server, client } = await given({ token: () => 'never good' });
    refusing(server, () => false);
    const changes = client.messages();
    const next = changes.next();
    await expect(client.connect()).rejects.toMatchObject({ code: 'unauthenticated', message: 'the token was refused: expired' });
    await expect(next).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(client.send(randomUUID(), 'hello')).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(server.connections).toHaveLength(2);
  });

  it('a token without a way to a new one is tried once', async () => {
    const { server, client } = await given({ token: 'old' });
    refusing(server, () => false);
    await expect(client.connect()).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(server.connections).toHaveLength(1);
  });
});

describe('sending', () => {
  const conversationId = randomUUID();

  it('settles with the acknowledgement', async () => {
    const { server, client } = await given();
    await client.connect();
    const acknowledged = await client.send(conversationId, 'hello');
    const sent = only((await server.greeted(1)).heard('send'));
    expect(acknowledged).toEqual({ id: expect.any(String), seq: 1, clientMessageId: sent.clientMessageId });
    expect(sent).toMatchObject({ conversationId, content: 'hello', clientMessageId: expect.stringMatching(/^[0-9a-f]{32}$/) });
  });

  it('goes out again under the same id when the connection broke before the acknowledgement', async () => {
    const { server, client } = await given();
    server.onFrame = (connection, frame) => {
      if (frame.type === 'send' && server.connections.length === 1) connection.socket.terminate();
      else server.behave(connection, frame);
    };
    await client.connect();
    await Promise.all(['one', 'two', 'three'].map((content) => client.send(conversationId, content)));
    const [first, second] = await Promise.all([server.greeted(1), server.greeted(2)]);
    expect(second.heard('send').map(({ content }) => content)).toEqual(['one', 'two', 'three']);
    expect(second.heard('send')[0]?.clientMessageId).toBe(first.heard('send')[0]?.clientMessageId);
  });

  it('waits for a connection', async () => {
    const { client } = await given();
    const sending = client.send(conversationId, 'early');
    await client.connect();
    await expect(sending).resolves.toMatchObject({ seq: 1 });
  });

  const refuse = (server: ScriptedSocketServer, code: 'validation' | 'overloaded', times: number, retryAfterMs?: number) => {
    let left = times;
    server.onFrame = (connection, frame) => {
      if (frame.type !== 'send' || left === 0) return server.behave(connection, frame);
      left -= 1;
      connection.send({ type: 'error', code, detail: 'no', ref: frame.ref, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    };
  };

  it('fails with the code of the server', async () => {
    const { server, client } = await given();
    refuse(server, 'validation', 1);
    await client.connect();
    await expect(client.send(conversationId, '')).rejects.toMatchObject({ name: 'ParleyError', code: 'validation', message: 'no' });
  });

  it('repeats what may be accepted later, under the same id', async () => {
    const { server, client } = await given();
    refuse(server, 'overloaded', 2, 20);
    await client.connect();
    await client.send(conversationId, 'patience', { clientMessageId: 'mine' });
    expect((await server.greeted(1)).heard('send').map(({ clientMessageId }) => clientMessageId)).toEqual(['mine', 'mine', 'mine']);
  });

  it('does not repeat what its deadline has no time for', async () => {
    const { server, client } = await given();
    refuse(server, 'overloaded', 1, 5_000);
    await client.connect();
    await expect(client.send(conversationId, 'hurry', { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('says with what it fails when it may be accepted', async () => {
    const { server, client } = await given();
    refuse(server, 'overloaded', 1, 5_000);
    await client.connect();
    await expect(client.send(conversationId, 'x', { timeoutMs: 1_000 })).rejects.toMatchObject({ retryAfterMs: 5_000 });
  });

  it('may wait for ever', async () => {
    const { server, client } = await given();
    server.onFrame = (connection, frame) => void setTimeout(() => server.behave(connection, frame), 30);
    await client.connect();
    await expect(client.send(conversationId, 'no hurry', { timeoutMs: Number.POSITIVE_INFINITY })).resolves.toMatchObject({ seq: 1 });
  });

  it('ends at its deadline when no acknowledgement comes', async () => {
    const { server, client } = await given();
    server.onFrame = (connection, frame) => {
      if (frame.type !== 'send') server.behave(connection, frame);
    };
    await client.connect();
    await expect(client.send(conversationId, 'anyone?', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
  });

  it('is refused here when it is too large for a frame, and when a thousand wait', async () => {
    const { client } = await given();
    await expect(client.send(conversationId, '🎉'.repeat(16_384))).rejects.toMatchObject({ code: 'payload-too-large' });
    const waiting = Array.from({ length: 1_000 }, () => client.send(conversationId, 'x'));
    await expect(client.send(conversationId, 'one more')).rejects.toMatchObject({ code: 'overloaded' });
    client.close();
    const ends = await Promise.allSettled(waiting);
    expect(ends.every((end) => end.status === 'rejected' && (end.reason as { code: string }).code === 'closed')).toBe(true);
  });

  it('keeps to the rate that the server allows', async () => {
    const { server, client } = await given({ framesPerSecond: 50 });
    await client.connect();
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: 75 }, () => client.send(conversationId, 'x')));
    expect(performance.now() - startedAt).toBeGreaterThan(450);
    expect((await server.greeted(1)).heard('send')).toHaveLength(75);
  });
});

describe('small signals', () => {
  const withMessages = async () => {
    const id = randomUUID();
    const { server, client } = await given({ resume: [{ conversationId: id, seq: 0 }] });
    server.history.set(id, messagesOf(id, 9));
    const seen = collect(client.messages(id));
    await client.connect();
    await eventually(() => expect(seen).toHaveLength(9));
    return { id, server, client, connection: await server.greeted(1) };
  };

  it('receipts go as one, never beyond what was shown, and again after a loss', async () => {
    const { id, server, client, connection } = await withMessages();
    for (let seq = 1; seq <= 9; seq += 1) client.markDelivered(id, seq);
    client.markRead(id, 1_000);
    client.markRead(randomUUID(), 3);
    const expected = { type: 'receipt', conversationId: id, deliveredSeq: 9, readSeq: 9 };
    await eventually(() => expect(connection.heard('receipt')).toEqual([expected]));
    connection.socket.terminate();
    const second: ScriptedConnection = await server.greeted(2);
    await eventually(() => expect(second.heard('receipt')).toEqual([expected]));
  });

  it('typing is said once in two seconds, and not at all without a connection', async () => {
    const { client, connection, id } = await withMessages();
    for (let i = 0; i < 20; i += 1) client.typing(id);
    const other = randomUUID();
    client.typing(other);
    await client.send(id, 'said');
    expect(connection.heard('typing').map(({ conversationId }) => conversationId)).toEqual([id, other]);
    client.close();
    client.typing(randomUUID());
  });
});

it('a client that is closed says so, ends its loops and lets its connection go', async () => {
  const { server, client, states } = await given();
  const changes = client.messages();
  await client.connect();
  const connection = await server.greeted(1);
  client.close();
  expect(await changes.next()).toEqual({ done: true, value: undefined });
  await eventually(() => expect(connection.isClosed).toBe(true));
  expect(states.at(-1)).toMatchObject({ state: 'closed', error: { code: 'closed' } });
  expect(await client.messages().next()).toEqual({ done: true, value: undefined });
  await expect(client.send(randomUUID(), 'late')).rejects.toMatchObject({ code: 'closed' });
});
