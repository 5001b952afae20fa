import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { ParleySocket } from '#client/parley-socket';
import type { DeadLetterPage } from '#lib/contracts/admin';
import { SOCKET_PATH } from '#lib/contracts/socket';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { type JournalEntry, SendJournal, SteadyLoad } from '#lib/testing/send-journal';
import { REFUSED, refuseItsSignals } from './refused-message.js';

const QUEUE = 'scoring.messages';
const ROUNDS = 5;
/** A socket pauses for up to ten seconds between two tries, and on a busy machine may find the process up only after the last round. */
const SENT_WITHIN_MS = 180_000;

let parley: RunningParley;
let database: Client;
const sockets: ParleySocket[] = [];

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack'), embedded: true });
  database = new Client({ connectionString: parley.databaseUrl, query_timeout: 10_000 });
  await database.connect();
});
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await database?.end();
  await parley?.stop();
});

/** A user's device that reads all conversations in a loop, through every break of its connection. */
const reader = async (user: string, conversationIds: readonly string[]) => {
  const url = new URL(SOCKET_PATH, parley.realtime.url.replace(/^http/, 'ws')).href;
  const socket = new ParleySocket({ url, token: () => parley.tokenOf({ user }) });
  sockets.push(socket);
  const seqs = new Map<string, number[]>(conversationIds.map((id) => [id, []]));
  const changes = socket.messages();
  void (async () => {
    for await (const { type, conversationId, seq } of changes) if (type === 'created') seqs.get(conversationId)?.push(seq);
  })();
  await socket.connect();
  for (const conversationId of conversationIds) socket.follow({ conversationId, seq: 0 });
  return { socket, seqs };
};

/** Sends over a socket until it is told to stop, and writes down what was acknowledged. */
const sendOver = (socket: ParleySocket, journal: SendJournal, conversationId: string) => {
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      const entry: JournalEntry = { key: randomUUID(), conversationId, content: `over a socket ${randomUUID()}` };
      journal.entries.push(entry);
      const { id, seq } = await socket.send(conversationId, entry.content, { clientMessageId: entry.key, timeoutMs: SENT_WITHIN_MS });
      entry.acknowledged = { id, seq };
      await sleep(40);
    }
  })();
  running.catch(() => undefined); // comes out when it is stopped
  return async () => {
    stopping.abort();
    await running;
  };
};

it('one process loses nothing, repeats nothing and leaves nothing under way when it is killed again and again under load', {
  timeout: 360_000,
}, async () => {
  await refuseItsSignals(database);
  const admin = await parley.client('operator', ['admin']);
  const names = Array.from({ length: 6 }, (_, i) => `user-${i}`);
  const clients = await Promise.all(names.map((name) => parley.client(name)));
  const host = await parley.client('host');
  const conversations = await Promise.all(Array.from({ length: 4 }, () => host.createConversation({ memberIds: names })));
  const conversationIds = conversations.map(({ id }) => id);
  const [first = ''] = conversationIds;
  const readers = await Promise.all(names.slice(0, 3).map((name) => reader(name, conversationIds)));

  const journal = new SendJournal();
  await Promise.all([1, 2, 3].map(() => journal.send(host, first, REFUSED)));
  const load = new SteadyLoad({ journal, clients, conversationIds, pauseMs: 30 });
  const stopSockets = readers.map(({ socket }, i) => sendOver(socket, journal, conversationIds[i] ?? first));
  for (let round = 1; round <= ROUNDS; round += 1) {
    const wanted = journal.acknowledged.length + 60;
    await eventually(() => expect(journal.acknowledged.length).toBeGreaterThanOrEqual(wanted), {
      timeoutMs: 60_000,
      what: `round ${round}`,
    });
    await parley.gateway.kill();
    await parley.gateway.start();
  }
  await Promise.all([load.stop(), ...stopSockets.map((stop) => stop())]);
  expect(journal.acknowledged.length).toBe(journal.entries.length);

  const report = () => checkConsistency(parley, journal.entries);
  await eventually(
    async () => {
      const { wrongSignals, ...others } = await report();
      const inLimbo = [expect.stringMatching(new RegExp(`^\\d+ in ${QUEUE}.dlq$`))];
      expect({ ...others, wrongSignals: wrongSignals.length }).toEqual({ ...consistent, wrongSignals: 3, inLimbo });
    },
    { timeoutMs: 90_000, everyMs: 250, what: 'everything is where it belongs, but for three dead letters' },
  );

  // Every reader has seen each message once, in order.
  for (const conversation of conversationIds) {
    const { headSeq } = await host.messages(conversation, { limit: 1 });
    const all = Array.from({ length: headSeq }, (_, i) => i + 1);
    for (const { seqs } of readers) await eventually(() => expect(seqs.get(conversation)).toEqual(all), { timeoutMs: 60_000 });
  }
  const some = journal.entries.find(({ content }) => content.startsWith('over a socket'));
  const found = await host.search({ q: some?.content ?? '', mode: 'dense', limit: 5 });
  expect(found.items[0]).toMatchObject({ message: { id: some?.acknowledged?.id } });

  // The dead letters have come through all kills, and are replayed like any others. An event that was given to the bus twice, because a kill came
  // before it was known to have it, died twice.
  const letters = await admin.request('GET', `/v1/admin/dead-letters?queue=${QUEUE}`);
  const { items } = letters.body as DeadLetterPage;
  expect(new Set(items.map(({ id }) => id)).size).toBe(3);
  await database.query('drop trigger refuse_signals on message_signals');
  const replay = await admin.request('POST', '/v1/admin/dead-letters/replay', { queue: QUEUE, all: true });
  expect(replay).toMatchObject({ status: 200, body: { done: items.length } });
  await eventually(async () => expect(await report()).toEqual(consistent), {
    timeoutMs: 60_000,
    everyMs: 250,
    what: 'nothing is under way',
  });
});
