import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkConsistency } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { isEmbedded, type RunningParley, startParley } from '#lib/testing/running-parley';

let parley: RunningParley;
let alice: ParleyClient;
let database: Client;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  alice = await parley.client('alice');
  database = new Client({ connectionString: parley.databaseUrl, query_timeout: 5_000 });
  await database.connect();
});
afterAll(async () => {
  await database?.end();
  await parley?.stop();
});

const scored = (id: string, state = 'done') =>
  eventually(async () => expect((await alice.message(id)).pipeline.scoring).toBe(state), {
    timeoutMs: 30_000,
    what: `scoring is ${state}`,
  });
const rowOf = async (id: string) =>
  (await database.query('select version, state, language, is_question, emotion, length from message_signals where message_id = $1', [id]))
    .rows[0] as unknown;
const edit = (id: string, content: string, version: number) =>
  alice.request('PATCH', `/v1/messages/${id}`, { content }, { 'if-match': String(version) });

describe('the signals of a message', () => {
  it('are there soon after it is sent, follow its edit, and go with it; the message says when', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
    const message = await alice.send(conversationId, 'Hôm nay bạn vui không?');
    expect(message.pipeline.scoring).toBe('pending');
    await scored(message.id);
    expect(await rowOf(message.id)).toEqual({
      version: 1,
      state: 'scored',
      language: 'vi',
      is_question: true,
      emotion: 'happy',
      length: 22,
    });

    expect((await edit(message.id, 'I hate the rain', 1)).status).toBe(200);
    await scored(message.id);
    const edited = { version: 2, state: 'scored', language: 'en', is_question: false, emotion: 'angry', length: 15 };
    await eventually(async () => expect(await rowOf(message.id)).toEqual(edited));

    expect((await alice.request('DELETE', `/v1/messages/${message.id}`)).status).toBeLessThan(300);
    const removed = { version: 3, state: 'removed', language: null, is_question: null, emotion: null, length: null };
    await eventually(async () => expect(await rowOf(message.id)).toEqual(removed));
  });

  // In one process all of it is gone meanwhile: test/embedded/kill.e2e-spec.ts.
  it.skipIf(isEmbedded)(
    'are those of the newest version of every message when scoring is killed again and again in the middle of it',
    async () => {
      const { id: conversationId } = await alice.createConversation({ memberIds: [] });
      for (let round = 0; round < 2; round += 1) {
        const messages = await Promise.all(
          Array.from({ length: 40 }, (_, i) => alice.send(conversationId, `message ${i} of round ${round}`)),
        );
        await Promise.all(messages.slice(0, 20).map(({ id }, i) => edit(id, `is it ${i}?`, 1)));
        await parley.scoring.kill();
        await Promise.all(messages.slice(20, 30).map(({ id }) => alice.request('DELETE', `/v1/messages/${id}`)));
        await parley.scoring.start();
      }
      await eventually(async () => expect((await checkConsistency(parley, [])).wrongSignals).toEqual([]), {
        timeoutMs: 30_000,
        everyMs: 500,
        what: 'each message has the signals of its newest version',
      });
    },
  );

  it('have failed when their event is a dead letter, until it is replayed', async () => {
    await database.query(`
      create function refuse_signals() returns trigger language plpgsql as $$ begin
        if new.state = 'scored' and new.length = 13 then raise exception 'refused by the test'; end if;
        return new;
      end $$;
      create trigger refuse_signals before insert or update on message_signals for each row execute function refuse_signals()`);
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const refused = await alice.send(conversationId, 'thirteen long');
    const neighbour = await alice.send(conversationId, 'a neighbour of it');
    await scored(neighbour.id);
    await scored(refused.id, 'failed');
    await database.query('drop trigger refuse_signals on message_signals');
    const admin = await parley.client('operator', ['admin']);
    const replay = await admin.request('POST', '/v1/admin/dead-letters/replay', { queue: 'scoring.messages', all: true });
    expect(replay.status).toBe(200);
    await scored(refused.id);
  });
});
