import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { MessageSignal } from '#lib/contracts/live';
import type { ServerFrame } from '#lib/contracts/socket';
import type { Message } from '#lib/conversations/message';
import { eventually } from '#lib/testing/eventually';
import { pick, seededRandom } from '#lib/testing/random';
import { LiveWorld, LoggedSession } from './live-world.contract.js';

const USERS = ['alice', 'bob', 'carol', 'dave'];
const STEPS = 400;

/** One client: it applies the rule of the contract and complains when the server breaks its promise. */
class Client {
  readonly last = new Map<string, number>();
  /** What it shows: by conversation and seq, version and text. */
  readonly shown = new Map<string, { version: number; content: string }>();
  /** Up to which message it may begin anew: after its user was added again, and after a resume. */
  readonly mayBeginAt = new Map<string, number>();
  /** Up to which message it may see anything, where its user was removed. */
  readonly endsAt = new Map<string, number>();
  /** Up to which message it may have missed changes, because its user was no member for a while. */
  readonly isUnsureUpTo = new Map<string, number>();
  readonly complaints: string[] = [];
  session: LoggedSession | undefined;
  private read = 0;

  constructor(readonly userId: string) {}

  /** Reads what has come. */
  readAll(): void {
    const { session } = this;
    if (session === undefined) return;
    for (const { bytes } of session.raw.slice(this.read)) this.apply(JSON.parse(bytes.toString()));
    this.read = session.raw.length;
    session.read();
  }

  opened(session: LoggedSession): void {
    this.session = session;
    this.read = 0;
  }

  private apply(frame: ServerFrame): void {
    // A member that was removed meanwhile, and an outage, are told so; a client's own position is never wrong.
    if (frame.type === 'error' && frame.code === 'validation') this.complaints.push(`${this.userId}: ${frame.code} ${frame.detail}`);
    if (!('message' in frame)) return;
    const { conversationId: id, seq, message } = frame;
    if (seq > (this.endsAt.get(id) ?? Number.POSITIVE_INFINITY)) this.complaints.push(`${this.userId} saw ${seq} after its removal`);
    const place = `${id} ${seq}`;
    const known = this.shown.get(place);
    if (frame.type === 'message.created') {
      const last = this.last.get(id);
      if (last !== undefined && seq !== last + 1 && seq > (this.mayBeginAt.get(id) ?? 0))
        this.complaints.push(`${this.userId} got ${seq} after ${last}`);
      this.last.set(id, seq);
    } else if (seq > Math.max(this.last.get(id) ?? seq, this.mayBeginAt.get(id) ?? 0)) {
      this.complaints.push(`${this.userId} got a change of ${seq} before the message`);
    }
    if (frame.type === 'message.created' || known !== undefined) {
      if (message.version >= (known?.version ?? 0)) this.shown.set(place, { version: message.version, content: message.content });
    }
  }
}

const run = async (seed: number): Promise<string[]> => {
  const random = seededRandom(seed);
  const chance = (share: number): boolean => random() < share;
  const world = new LiveWorld();
  const processes = [world.process(), world.process()];
  const ids = await Promise.all(['alice', 'bob', 'carol'].map((creator) => world.conversation(creator, ...USERS)));
  const clients = [...USERS, ...USERS].map((user) => new Client(user));
  const serving = new Map<Client, (typeof processes)[number]>();
  const said: Message[] = [];
  const complaints: string[] = [];

  /** Delivery and Redis: late, twice, or never. */
  const tell = (message: Message, change: MessageSignal['change'] = 'created') => {
    if (chance(0.1)) return;
    const signal = world.signalOf(message, change);
    const send = () => void world.publish(message.conversationId, signal);
    if (chance(0.2)) setTimeout(send, random() * 30);
    else send();
    if (chance(0.1)) setTimeout(send, random() * 10);
  };
  const isMember = (id: string, user: string) => world.archive.conversations.get(id)?.members.has(user) === true;
  const open = (client: Client) => {
    const process = pick(random, processes);
    const session = new LoggedSession(client.userId);
    session.isSlow = chance(0.3);
    const mine = [...client.last].filter(([id]) => isMember(id, client.userId));
    client.opened(session);
    serving.set(client, process);
    const changedSince = new Date(Date.now() - 60_000).toISOString();
    const joining = process.live.join(
      session,
      mine.map(([conversationId, seq]) => ({ conversationId, seq, changedSince })),
      () => undefined,
    );
    joining.catch(() => close(client)); // Postgres was away
    for (const id of ids) if (!mine.some(([one]) => one === id)) client.last.delete(id);
  };
  const close = (client: Client) => {
    const { session } = client;
    if (session === undefined) return;
    client.readAll();
    session.close();
    serving.get(client)?.live.leave(session);
    client.session = undefined;
  };
  /** As at a ping: a user that was removed while it caught up, and added again, asks for what lies between. */
  const resumeAfterReturn = (client: Client, session: LoggedSession) => {
    const process = serving.get(client);
    for (const [id, head] of Object.entries(process?.live.headsFor(session) ?? {})) {
      const last = client.last.get(id);
      if (last !== undefined && last < head && client.isUnsureUpTo.has(id))
        process?.live.resume(session, { conversationId: id, seq: last });
    }
  };
  const actions: [number, () => Promise<void> | void][] = [
    [
      40,
      async () => {
        const [id, user] = [pick(random, ids), pick(random, USERS)];
        for (let i = chance(0.05) ? 300 : 1; i > 0 && isMember(id, user); i -= 1) {
          const message = await world.store(id, user, `text ${said.length}`);
          said.push(message);
          tell(message);
        }
      },
    ],
    [
      8,
      async () => {
        if (said.length === 0) return;
        const message = pick(random, said);
        const current = world.archive.conversations.get(message.conversationId)?.messages[message.seq - 1];
        if (current?.deletedAt !== undefined || !isMember(message.conversationId, message.senderId)) return;
        const change = { id: message.id, actor: message.senderId };
        const isEdit = chance(0.7);
        if (isEdit) await world.messages.edit(change, `edited ${random()}`);
        else await world.messages.delete(change);
        tell(message, isEdit ? 'edited' : 'deleted');
      },
    ],
    [
      10,
      () => {
        const client = pick(random, clients);
        if (client.session === undefined) open(client);
        else if (chance(0.5)) close(client);
      },
    ],
    [
      4,
      () => {
        const client = pick(random, clients);
        const [id, seq] = pick(random, [...client.last, [undefined, 0] as const]);
        if (id === undefined || client.session === undefined || !isMember(id, client.userId)) return;
        client.readAll();
        // As after a gap that the client saw: everything after what it has comes again.
        const from = Math.max(0, (client.last.get(id) ?? seq) - Math.floor(random() * 5));
        client.mayBeginAt.set(id, Math.max(client.mayBeginAt.get(id) ?? 0, from + 1));
        serving.get(client)?.live.resume(client.session, { conversationId: id, seq: from });
      },
    ],
    [
      3,
      async () => {
        const [id, user] = [pick(random, ids), pick(random, USERS)];
        const creator = world.archive.conversations.get(id)?.creatorId ?? '';
        if (user === creator) return;
        const mine = clients.filter(({ userId }) => userId === user);
        if (isMember(id, user)) {
          await world.conversations.removeMember(id, creator, user);
          const head = world.archive.conversations.get(id)?.messages.length ?? 0;
          for (const client of mine) {
            client.endsAt.set(id, head);
            client.isUnsureUpTo.set(id, head);
          }
        } else {
          await world.conversations.addMember(id, creator, user);
          const headSeq = world.archive.conversations.get(id)?.messages.length ?? 0;
          for (const client of mine) {
            client.endsAt.delete(id);
            client.mayBeginAt.set(id, headSeq + 1);
          }
          if (chance(0.7)) await world.fanOut.publish([{ userId: user, signals: [{ type: 'joined', conversationId: id, headSeq }] }]);
        }
        if (chance(0.7)) await world.tellMembers(id);
      },
    ],
    [
      2,
      () => {
        const { subscription } = pick(random, processes);
        if (subscription.isLive) subscription.lose();
        else subscription.restore();
      },
    ],
    [
      1,
      () => {
        world.postgres.isAway = !world.postgres.isAway;
      },
    ],
    [20, () => pick(random, clients).readAll()],
    [10, async () => sleep(random() * 8)],
    [30, async () => turn()],
  ];
  const total = actions.reduce((sum, [weight]) => sum + weight, 0);
  for (let step = 0; step < STEPS; step += 1) {
    let at = random() * total;
    const action = actions.find(([weight]) => (at -= weight) < 0);
    await action?.[1]();
  }

  // All is well again: each client is connected and catches up.
  world.postgres.isAway = false;
  for (const { subscription } of processes) if (!subscription.isLive) subscription.restore();
  for (const client of clients) {
    if (client.session === undefined) open(client);
  }
  await eventually(
    () => {
      for (const client of clients) {
        client.readAll();
        if (client.session === undefined) open(client);
        else resumeAfterReturn(client, client.session);
      }
      for (const client of clients) {
        for (const id of ids) {
          if (!isMember(id, client.userId) || !client.last.has(id)) continue;
          const messages = world.archive.conversations.get(id)?.messages ?? [];
          expect([client.userId, client.last.get(id)]).toEqual([client.userId, messages.length]);
          for (const { seq, version, content } of messages) {
            const shown = client.shown.get(`${id} ${seq}`);
            if (shown !== undefined && seq > (client.isUnsureUpTo.get(id) ?? 0))
              expect([client.userId, seq, shown]).toEqual([client.userId, seq, { version, content }]);
          }
        }
      }
    },
    { timeoutMs: 8_000, what: `seed ${seed}: every client has what Postgres has` },
  );
  for (const client of clients) close(client);
  await eventually(() =>
    expect(processes.map(({ followed, live }) => [followed.ids(), live.userIds()])).toEqual([
      [[], []],
      [[], []],
    ]),
  );
  await world.stop();
  complaints.push(...clients.flatMap((client) => client.complaints));
  return complaints;
};

const given = process.env.LIVE_SEED;
const seeds = given !== undefined ? given.split(',').map(Number) : [7, Math.floor(Math.random() * 1e9), Math.floor(Math.random() * 1e9)];

it.each(seeds)(
  'whatever is lost, repeated, late or away, every client has each of its messages once and in order (LIVE_SEED=%i)',
  async (seed) => {
    expect(await run(seed)).toEqual([]);
  },
  30_000,
);
