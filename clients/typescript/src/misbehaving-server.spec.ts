import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eventually } from '../../../libs/testing/src/eventually.js';
import { pick, seededRandom } from '../../../libs/testing/src/random.js';
import { edited, messagesOf, type ScriptedConnection, ScriptedSocketServer } from '../../../libs/testing/src/scripted-socket-server.js';
import { ParleySocket } from './parley-socket.js';

// Whatever the server and the network do, a loop is shown 1, 2, 3, ... of each conversation, and the newest version of each message.
// A run that fails is repeated by its seed.

const STEPS = 250;
const SEEDS = Array.from({ length: 24 }, (_, i) => i + 1);

/** What a server does with what it has to say; each leaves `history` as the truth that a resume finds. */
class Misbehaviour {
  private readonly late: (() => void)[] = [];

  constructor(
    private readonly server: ScriptedSocketServer,
    private readonly conversations: readonly string[],
    private readonly random: () => number,
  ) {}

  step(): void {
    const roll = this.random();
    if (roll < 0.6) this.write();
    else if (roll < 0.8) this.change();
    else if (roll < 0.86) this.late.splice(0, 3).forEach((send) => send());
    else if (roll < 0.92) this.connection?.ping(this.heads());
    else if (roll < 0.95) this.lose();
    else if (roll < 0.97) this.connection?.send({ type: 'goaway', reconnectInMs: Math.floor(this.random() * 20) });
    else if (roll < 0.98) this.connection?.socket.send(pick(this.random, ['{', 'null', '{"type":"new"}', '{"type":"message.created"}']));
    else this.connection?.socket.close(pick(this.random, [4001, 4008, 4012, 1011, 1013]));
  }

  /** Says where every conversation is, as each ping does. */
  settle(): void {
    this.connection?.ping(this.heads());
  }

  private get connection(): ScriptedConnection | undefined {
    const newest = this.server.connections.at(-1);
    return newest === undefined || newest.isClosed ? undefined : newest;
  }

  private heads = () => Object.fromEntries(this.conversations.map((id) => [id, this.server.history.get(id)?.length ?? 0]));

  private write(): void {
    const all = this.server.history.get(pick(this.random, this.conversations)) ?? [];
    const message = { ...messagesOf(all[0]?.conversationId ?? '', 1)[0], seq: all.length + 1 } as (typeof all)[number];
    all.push(message);
    const { connection } = this;
    const roll = this.random();
    if (roll < 0.1) return; // lost
    if (roll < 0.25) this.late.push(() => connection?.created(message));
    else connection?.created(message, ...(roll < 0.35 ? [message, message] : []));
  }

  private change(): void {
    const all = this.server.history.get(pick(this.random, this.conversations)) ?? [];
    const message = pick(this.random, all);
    const next = edited(message, message.version + 1);
    all[message.seq - 1] = next;
    this.connection?.changed('edited', next);
    if (this.random() < 0.2) this.connection?.changed('edited', next);
    if (this.random() < 0.2) this.connection?.changed('edited', message);
  }

  /** The connection dies with what was on its way. */
  private lose(): void {
    const dead = this.connection?.socket;
    dead?.pause();
    dead?.terminate();
    for (let i = 0; i < 5; i += 1) {
      this.write();
      this.change();
    }
  }
}

async function run(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const server = await ScriptedSocketServer.start();
  const conversations: string[] = [randomUUID(), randomUUID(), randomUUID()];
  for (const id of conversations) server.history.set(id, messagesOf(id, 1));
  const client = new ParleySocket({
    url: server.url,
    token: () => 'a token',
    resume: conversations.map((conversationId) => ({ conversationId, seq: 0 })),
    bufferSize: 1 + Math.floor(random() * 40),
    framesPerSecond: 10_000,
    timing: { backoff: { minMs: 1, maxMs: 5 } },
  });
  const last = new Map(conversations.map((id) => [id, 0]));
  const versions = new Map<string, number>();
  const faults: string[] = [];
  const loop = (async () => {
    const pace = seededRandom(-seed);
    for await (const { type, conversationId, seq, message } of client.messages()) {
      const before = last.get(conversationId) ?? 0;
      if (type === 'created' && seq !== before + 1) faults.push(`${seq} after ${before}`);
      if (type === 'edited' && seq > before) faults.push(`a change of ${seq}, which was not shown`);
      if (message.version <= (versions.get(message.id) ?? 0)) faults.push(`version ${message.version} of ${seq} again`);
      if (type === 'created') last.set(conversationId, seq);
      versions.set(message.id, message.version);
      if (pace() < 0.05) await sleep(pace() * 10);
    }
  })();
  try {
    await client.connect();
    const misbehaviour = new Misbehaviour(server, conversations, random);
    for (let i = 0; i < STEPS; i += 1) {
      misbehaviour.step();
      if (random() < 0.3) await sleep(1);
    }
    const truth = new Map(conversations.flatMap((id) => server.history.get(id) ?? []).map(({ id, version }) => [id, version]));
    await eventually(
      () => {
        misbehaviour.settle();
        expect(versions).toEqual(truth);
      },
      { timeoutMs: 20_000, everyMs: 300 },
    );
    expect(faults).toEqual([]);
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  } finally {
    client.close();
    await loop;
    await server.stop();
  }
}

it('shows everything once and in order, whatever the server and the network do', { timeout: 30_000 }, async () => {
  await Promise.all(SEEDS.map(run));
});
