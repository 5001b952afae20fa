import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { PostgresOutbox } from '#lib/database/outbox/adapters/postgres-outbox';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import { runInContext } from '#lib/runtime/log/context';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import type { MessageDraft } from '../message.js';
import { PostgresConversationStore } from './postgres-conversation-store.js';
import { PostgresMessageStore } from './postgres-message-store.js';

let database: MigratedDatabase;
let store: PostgresMessageStore;
let conversationId: string;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());
beforeEach(async () => {
  store = new PostgresMessageStore(database.lane('sends'), database.lane('reads'), database.lane('edits'));
  conversationId = await newConversation();
});

const newConversation = async (): Promise<string> =>
  (
    await new PostgresConversationStore(database.dataSource, database.lane('reads')).create({
      title: null,
      creatorId: 'alice',
      memberIds: [],
    })
  ).id;
const draft = (facts: Partial<MessageDraft> = {}): MessageDraft => ({
  conversationId,
  senderId: 'alice',
  content: 'Xin chào',
  priority: 'normal',
  ...facts,
});
/** Another process' way to the same database. */
const elsewhere = () => {
  const lanes = database.otherLanes({});
  return new PostgresMessageStore(lanes.lane('sends'), lanes.lane('reads'), lanes.lane('edits'));
};
/** A conversation of many, so that each can be a sender of its own. */
const conversationOf = async (memberIds: string[]): Promise<string> =>
  (await new PostgresConversationStore(database.dataSource, database.lane('reads')).create({ title: null, creatorId: 'alice', memberIds }))
    .id;
const sql = <Row extends object>(text: string, values: readonly unknown[] = []) => database.lane('work').query<Row>(text, values);
/** Holds the row of a conversation, as a stuck process would, until it is released. */
const hold = async (id: string): Promise<() => Promise<void>> => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: held, resolve: nowHeld } = Promise.withResolvers<void>();
  const lane = database.otherLanes({ lanes: { work: 1 }, statementTimeoutMs: 9_000 }).lane('work');
  const transaction = lane.transaction(async (query) => {
    await query('SELECT FROM conversations WHERE id = $1 FOR UPDATE', [id]);
    nowHeld();
    await released;
  });
  await Promise.race([held, transaction]);
  return async () => {
    release();
    await transaction;
  };
};
const timed = async (work: () => Promise<unknown>): Promise<{ outcome: unknown; ms: number }> => {
  const startedAt = performance.now();
  const outcome = await work().catch((error: unknown) => error);
  return { outcome, ms: performance.now() - startedAt };
};

describe('sends of several processes', () => {
  it('number one conversation without gaps', async () => {
    const stores = [store, elsewhere(), elsewhere()];
    const sent = await Promise.all(
      stores.flatMap((one, s) => Array.from({ length: 100 }, (_, i) => one.store(draft({ content: `${s}/${i}` })))),
    );
    const seqs = sent.map(({ message }) => message.seq).sort((one, other) => one - other);
    expect(seqs).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect((await store.page(conversationId, 'alice', { limit: 1 }))?.headSeq).toBe(300);
  });

  it('make one message of one key', async () => {
    const stores = [store, elsewhere(), elsewhere()];
    const sent = await Promise.all(stores.flatMap((one) => Array.from({ length: 20 }, () => one.store(draft({ key: 'key-1' })))));
    expect(sent.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(new Set(sent.map(({ message }) => message.id)).size).toBe(1);
  });

  it('never deadlock, whatever conversations they share', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, newConversation));
    const stores = [store, elsewhere(), elsewhere(), elsewhere()];
    const rounds = stores.flatMap((one, s) =>
      Array.from({ length: 100 }, (_, i) => one.store(draft({ conversationId: ids[(i * (s + 3)) % 10] ?? '' }))),
    );
    expect(await Promise.all(rounds)).toHaveLength(400);
  });
});

describe('a conversation that another transaction holds', () => {
  it('fails its own sends in time, with an error that says to try again', async () => {
    const release = await hold(conversationId);
    const { outcome, ms } = await timed(() => store.store(draft()));
    await release();
    expect(outcome).toBeInstanceOf(DependencyError);
    expect(outcome).toMatchObject({ kind: 'overloaded' });
    expect(ms).toBeLessThan(5_500);
    expect((await store.store(draft())).message.seq).toBe(1);
  });

  it('does not hold up the sends to others', async () => {
    const others = await Promise.all(Array.from({ length: 5 }, newConversation));
    await store.store(draft({ conversationId: others[0] ?? '' }));
    const release = await hold(conversationId);
    const stuck = Array.from({ length: 20 }, () => timed(() => store.store(draft())));
    const slowest: number[] = [];
    const heldAt = performance.now();
    // No longer than those that are stuck may wait: they have 2 s.
    for (let round = 0; round < 40 && performance.now() - heldAt < 1_000; round += 1) {
      // Each batch has a message of the held conversation in it.
      stuck.push(timed(() => store.store(draft())));
      const batch = await Promise.all(others.map((id) => timed(() => store.store(draft({ conversationId: id })))));
      slowest.push(...batch.map(({ ms }) => ms));
      expect(batch.every(({ outcome }) => !(outcome instanceof Error))).toBe(true);
    }
    expect(Math.max(...slowest)).toBeLessThan(1_500); // less than any that waits for the lock, which has 2 s
    await release();
    const late = await Promise.all(stuck);
    expect(late.every(({ outcome }) => !(outcome instanceof Error))).toBe(true);
    const page = await store.page(conversationId, 'alice', { limit: 200 });
    expect(page?.messages.map(({ seq }) => seq)).toEqual(stuck.map((_, i) => i + 1));
  });

  it('is stored as soon as it is free', async () => {
    const release = await hold(conversationId);
    const send = timed(() => store.store(draft()));
    await eventually(async () => {
      const waiting = await sql(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
      expect(waiting).toHaveLength(1);
    });
    const releasedAt = performance.now();
    await release();
    expect((await send).outcome).toMatchObject({ replayed: false, message: { seq: 1 } });
    expect(performance.now() - releasedAt).toBeLessThan(2_000);
  });
});

describe('a send whose outcome is not known', () => {
  it('is found again with the same key', { timeout: 30_000 }, async () => {
    const proxy = await FaultProxy.before(database.url);
    const lanes = database.otherLanes({ url: proxy.through(database.url), statementTimeoutMs: 1_000 });
    const faulty = new PostgresMessageStore(lanes.lane('sends'), lanes.lane('reads'), lanes.lane('edits'));
    await faulty.store(draft({ key: 'before' }));
    await sql('SELECT 1');
    // The answer to the commit is cut off in its middle: it is stored, and the sender does not know.
    await proxy.set({ kind: 'hang-after', bytes: 10 });
    const { outcome, ms } = await timed(() => faulty.store(draft({ key: 'key-1' })));
    expect(outcome).toMatchObject({ name: 'DependencyError', kind: 'timeout' });
    expect(ms).toBeLessThan(5_500);
    await proxy.heal();
    const again = await eventually(() => faulty.store(draft({ key: 'key-1' })));
    expect(again).toMatchObject({ replayed: true, message: { seq: 2 } });
    await proxy.stop();
  });

  it('is told of it when its commit, given up by then, comes true after all', { timeout: 20_000 }, async () => {
    // As a disk that stalls: no limit of a statement ends a commit.
    await sql(`CREATE FUNCTION commit_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2.5); RETURN NULL; END $$`);
    await sql(
      `CREATE CONSTRAINT TRIGGER commit_late AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (NEW.content = 'late') EXECUTE FUNCTION commit_late()`,
    );
    onTestFinished(async () => void (await sql('DROP FUNCTION commit_late CASCADE')));
    const shared = await conversationOf(['bob', 'carol']);
    const lanes = database.otherLanes({ statementTimeoutMs: 1_500 });
    const hasty = new PostgresMessageStore(lanes.lane('sends'), lanes.lane('reads'), lanes.lane('edits'));
    // Postgres answers others meanwhile, so that one message may be the reason.
    const done = new AbortController();
    const beside = (async () => {
      while (!done.signal.aborted) await lanes.lane('reads').query('SELECT pg_sleep(0.02)');
    })();
    const send = (senderId: string, content: string) => hasty.store(draft({ conversationId: shared, senderId, content }));
    const sent = await Promise.allSettled([send('alice', 'first'), send('bob', 'late'), send('carol', 'beside it')]);
    done.abort();
    await beside;
    const page = await store.page(shared, 'alice', { limit: 200 });
    expect(page?.messages.map(({ seq, content }) => [seq, content])).toEqual([
      [1, 'first'],
      [2, 'late'],
      [3, 'beside it'],
    ]);
    expect(sent).toEqual(
      page?.messages.map((message) => ({ status: 'fulfilled', value: expect.objectContaining({ replayed: false, message }) })),
    );
  });

  it('answers in time while Postgres is a black hole', { timeout: 30_000 }, async () => {
    const proxy = await FaultProxy.before(database.url);
    const lanes = database.otherLanes({ url: proxy.through(database.url) });
    const faulty = new PostgresMessageStore(lanes.lane('sends'), lanes.lane('reads'), lanes.lane('edits'));
    await faulty.store(draft());
    await proxy.set({ kind: 'hang' });
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => timed(() => withDeadline(5_500, () => faulty.store(draft())))));
    expect(Math.max(...outcomes.map(({ ms }) => ms))).toBeLessThan(7_500); // 5.5 s, on a machine of our own
    expect(outcomes.every(({ outcome }) => outcome instanceof Error)).toBe(true);
    await proxy.stop();
  });
});

describe('what is bad in itself', () => {
  it('is refused alone, even when the edge let it through', async () => {
    const outcomes = await Promise.allSettled(
      ['good', 'bad \u0000 text', 'also good']
        .map((content) => store.store(draft({ content })))
        .concat(store.store(draft({ metadata: { bad: '\u0000' } }))),
    );
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.message.content : outcome.reason.code))).toEqual([
      'good',
      'validation',
      'also good',
      'validation',
    ]);
  });

  it('shows nothing of a deleted message but its place', async () => {
    const { message } = await store.store(draft({ content: 'secret', metadata: { secret: true }, key: 'key-1' }));
    await sql('UPDATE messages SET deleted_at = now(), version = 2 WHERE id = $1', [message.id]);
    const gone = { id: message.id, seq: 1, content: '', metadata: undefined, version: 2, deletedAt: expect.any(Date) };
    expect(await store.find(message.id, 'alice')).toMatchObject(gone);
    expect((await store.page(conversationId, 'alice', { limit: 1 }))?.messages).toMatchObject([gone]);
    expect(await store.findMany([message.id], 'alice')).toEqual([]);
    // Nothing but the request itself, which has the same hash.
    expect(await store.store(draft({ content: 'secret', metadata: { secret: true }, key: 'key-1' }))).toEqual({ replayed: true, message });
  });
});

it('writes an outbox row that gives back the very event of the fast path', async () => {
  await sql('TRUNCATE outbox');
  const result = await store.store(draft({ content: '"☕"\n\\u0041', requestId: 'request-1' }));
  const [entry] = await new PostgresOutbox(database.lane('relay')).lease({ limit: 10, olderThanMs: 0, leaseMs: 1_000 });
  if (result.replayed) throw new Error('expected a new message');
  expect(entry).toEqual({ event: result.event, headers: { requestId: 'request-1' }, attempts: 0 });
  expect(newId() > result.event.eventId).toBe(true);
});

describe('a text that Postgres works too long on', () => {
  // What takes Postgres long changes with its functions; that a text can take it long does not.
  beforeAll(async () => {
    await sql(`CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$`);
    await sql(
      `CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON messages FOR EACH ROW WHEN (NEW.content LIKE 'slow%') EXECUTE FUNCTION be_slow()`,
    );
  });
  afterAll(async () => sql('DROP FUNCTION be_slow CASCADE'));

  it('fails alone and in time, and the others of its batch are stored', { timeout: 20_000 }, async () => {
    const others = Array.from({ length: 30 }, (_, i) => `user-${i}`);
    const shared = await conversationOf(others);
    const send = (senderId: string, content: string) =>
      timed(() => withDeadline(5_500, () => store.store(draft({ conversationId: shared, senderId, content }))));
    const first = send('alice', 'so that the next ones share a commit');
    const guilty = send('alice', 'slow');
    const innocent = await Promise.all(others.map((user) => send(user, 'hello')));
    expect(innocent.map(({ outcome }) => outcome)).toEqual(
      others.map((senderId) => expect.objectContaining({ message: expect.objectContaining({ senderId }) })),
    );
    expect((await first).outcome).not.toBeInstanceOf(Error);
    expect((await guilty).outcome).toMatchObject({ kind: 'timeout' });
    expect((await guilty).ms).toBeLessThan(7_500);
    const page = await store.page(shared, 'alice', { limit: 200 });
    expect(page?.messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));

    // From now on its sender waits for itself only.
    const again = Array.from({ length: 2 }, () => send('alice', 'slow again'));
    const beside = await Promise.all(
      others.map(async (user) => timed(async () => store.store(draft({ conversationId: await conversationOf([user]), senderId: user })))),
    );
    expect(beside.filter(({ outcome }) => outcome instanceof Error)).toEqual([]);
    expect(Math.max(...beside.map(({ ms }) => ms))).toBeLessThan(2_500); // a commit that waits for a slow text takes 3 s
    await Promise.all(again);
  });

  it('leaves reads and the edits of others alone when it comes as an edit', { timeout: 20_000 }, async () => {
    const breakers = createBreakers();
    const lanes = database.otherLanes({ breakers, statementTimeoutMs: 3_000 });
    const edited = new PostgresMessageStore(lanes.lane('sends'), lanes.lane('reads'), lanes.lane('edits'));
    const shared = await conversationOf(['bob', 'mallory']);
    const [hers, his] = await Promise.all(['mallory', 'bob'].map((senderId) => edited.store(draft({ conversationId: shared, senderId }))));
    const heavy = Array.from({ length: 4 }, () =>
      timed(() =>
        runInContext({ userId: 'mallory' }, () =>
          withDeadline(5_000, () => edited.edit({ id: hers?.message.id ?? '', actor: 'mallory' }, 'slow')),
        ),
      ),
    );
    const beside: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      beside.push((await timed(() => edited.page(shared, 'bob', { limit: 10 }))).ms);
      const change = await timed(() => edited.edit({ id: his?.message.id ?? '', actor: 'bob' }, `text ${i}`));
      expect(change.outcome).toMatchObject({ message: { version: i + 2 } });
      beside.push(change.ms);
    }
    expect(Math.max(...beside)).toBeLessThan(2_500); // what waits for a slow text waits for its 3 s
    for (const { outcome } of await Promise.all(heavy)) expect(outcome).toBeInstanceOf(Error);
    expect(breakers.stateOf('postgres')).toBe('closed');
    expect(await edited.page(shared, 'bob', { limit: 10 })).toMatchObject({ headSeq: 2 });
  });
});

it('edits that come faster than they can be made are made as fast as they can be', { timeout: 20_000 }, async () => {
  await sql(`CREATE FUNCTION take_100_ms() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$`);
  await sql(
    `CREATE TRIGGER take_100_ms BEFORE UPDATE ON messages FOR EACH ROW WHEN (NEW.content LIKE 'dear %') EXECUTE FUNCTION take_100_ms()`,
  );
  onTestFinished(async () => void (await sql('DROP FUNCTION take_100_ms CASCADE')));
  const ids = (await Promise.all(Array.from({ length: 20 }, () => store.store(draft())))).map(({ message }) => message.id);
  const startedAt = performance.now();
  const doneAt: number[] = [];
  const edits: Promise<void>[] = [];
  // 25 a second, and ten can be made.
  for (let i = 0; i < 100; i += 1) {
    const edit = withDeadline(1_500, () => store.edit({ id: ids[i % 20] ?? '', actor: 'alice' }, `dear ${i}`));
    edits.push(
      edit.then(
        () => void doneAt.push(performance.now() - startedAt),
        () => undefined,
      ),
    );
    await sleep(40);
  }
  await Promise.all(edits);
  expect(doneAt.filter((at) => at > 2_000 && at <= 4_000).length).toBeGreaterThanOrEqual(8);
});

it('a flood of the longest messages does not delay short ones', { timeout: 30_000 }, async () => {
  const [writers, chatters] = [Array.from({ length: 25 }, (_, i) => `writer-${i}`), Array.from({ length: 20 }, (_, i) => `chatter-${i}`)];
  const [long, short] = [await conversationOf(writers), await conversationOf(chatters)];
  let lastLongAt = 0;
  const flood = writers.flatMap((senderId, w) =>
    Array.from({ length: 9 }, async (_, m) => {
      const content = Array.from({ length: 2_000 }, (__, i) => ((w * 18_000 + m * 2_000 + i) * 7_919).toString(36))
        .join(' ')
        .padEnd(16_384, 'x')
        .slice(0, 16_384);
      const result = await timed(() => withDeadline(20_000, () => store.store(draft({ conversationId: long, senderId, content }))));
      lastLongAt = performance.now();
      return result;
    }),
  );
  const chat = await Promise.all(
    chatters.map((senderId) => timed(() => withDeadline(5_500, () => store.store(draft({ conversationId: short, senderId }))))),
  );
  const chatDoneAt = performance.now();
  expect(chat.filter(({ outcome }) => outcome instanceof Error)).toEqual([]);
  expect((await Promise.all(flood)).filter(({ outcome }) => outcome instanceof Error)).toEqual([]);
  expect(chatDoneAt).toBeLessThan(lastLongAt);
});

describe('a process whose clock is an hour ahead', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('dates what it stores by Postgres’ clock, so that its conversations do not stay at the top of every list', async () => {
    const right = { before: new Date(Date.now() - 5_000), after: () => new Date(Date.now() + 5_000) };
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    const ahead = elsewhere();
    const conversations = new PostgresConversationStore(database.dataSource, database.lane('reads'));
    const started = await conversations.create({ title: null, creatorId: 'alice', memberIds: [] });
    const { message } = await ahead.store(draft({ conversationId: started.id, senderId: 'alice' }));
    const { message: edited } = await ahead.edit({ id: message.id, actor: 'alice' }, 'later');
    const deleted = await ahead.delete({ id: message.id, actor: 'alice' });
    vi.useRealTimers();
    for (const at of [started.createdAt, message.createdAt, edited.editedAt, deleted?.message.deletedAt]) {
      expect(at?.getTime()).toBeGreaterThan(right.before.getTime());
      expect(at?.getTime()).toBeLessThan(right.after().getTime());
    }
    // What is said afterwards, by a process whose clock is right, is the newest.
    const other = await conversations.create({ title: null, creatorId: 'alice', memberIds: [] });
    await eventually(async () => {
      await store.store(draft({ conversationId: other.id }));
      expect((await conversations.list('alice', { limit: 1 })).items[0]?.id).toBe(other.id);
    });
  });
});
