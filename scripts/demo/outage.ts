import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueView } from '#lib/contracts/http';
import { mintToken } from '#lib/devstack/mint-token';
import { ParleyClient, persistently } from '#lib/testing/parley-client';
import { isRunning, type ProcessIdentity } from '#lib/devstack/process/process-identity';
import { Explained } from '#lib/devstack/terminal/explain';
import { askGateway } from '../../apps/cli/src/operator/ask-gateway.js';
import { duration } from '../../apps/cli/src/output/cells.js';
import { runningStack } from '#lib/devstack/home/running-stack';
import { findParley } from '../../apps/cli/src/operator/find-parley.js';
import { Freeze } from './freeze.js';
import { LiveUser } from './live-user.js';
import { realtimePlaces } from './realtime-places.js';
import { type Spread, spread } from './summary.js';

/** What the demo can take away. Without Postgres nothing is accepted, which is all there would be to see. */
export const breakable = ['chroma', 'rabbitmq', 'redis'] as const;
export type Breakable = (typeof breakable)[number];

/** What became of it. */
export interface Outage {
  readonly dependency: Breakable;
  /** Milliseconds from sending to 202. */
  readonly ackMs: { readonly before: Spread; readonly during: Spread; readonly after: Spread };
  /** Milliseconds from there to the last socket of two members; of those messages that came. */
  readonly deliveredMs: { readonly before: Spread; readonly during: Spread; readonly after: Spread };
  readonly outageMs: number;
  /** Until every message was searchable again and health was what it had been; null = it took too long. */
  readonly healedAfterMs: number | null;
  /** `seen`: shown by both sockets, once and in order. */
  readonly messages: { readonly sent: number; readonly found: number; readonly seen: number };
}

const MESSAGES_BEFORE = 8;
const MESSAGES_AFTER = 5;
/** One search shows at most 50, and all shall be found. */
const MAX_MESSAGES = 45;
const PACE_MS = 700;
const LOOK_EVERY_MS = 1_000;
/** The outage is long enough to be seen at work for a while. */
const SHOWN_FOR_MS = 5_000;
const NOTICED_WITHIN_MS = 60_000;
const HEALED_WITHIN_MS = 90_000;
const CONNECTED_WITHIN_MS = 10_000;
/** Without RabbitMQ sockets are compared with Postgres every 25 s. */
const DELIVERED_WITHIN_MS = 40_000;
/** A message that waited for a comparison with Postgres (2 s apart while Redis is away) or for RabbitMQ. */
const LATE_AFTER_MS = 500;
const WELL: ReadonlySet<string> = new Set(['ok', 'not_configured']);
const TOPIC = 'umbrella on the terrace';

/** Takes a private dependency of the running Parley away, sends all the while, gives it back, and looks whether everything is found. */
export async function showOutage(dependency: Breakable, say: (line: string) => void): Promise<Outage> {
  const victim = await privateProcess(dependency);
  const { url, secret, audience } = await findParley(undefined);
  const people = ['alice', 'bob', 'chi'];
  const clients = await Promise.all(people.map(async (user) => new ParleyClient(url, await mintToken(secret, { user, audience }))));
  const [alice] = clients;
  if (alice === undefined) throw new Error('the conversation has no members');
  const { id: conversationId } = await persistently(() => alice.createConversation({ title: `Without ${dependency}`, memberIds: people }));
  const places = await realtimePlaces();
  const listeners = await Promise.all(
    ['alice', 'bob'].map((user, i) => {
      const place = places[i % places.length];
      if (place === undefined) throw new Error('there is no realtime process');
      return LiveUser.connect(user, place, () => mintToken(secret, { user, audience }), CONNECTED_WITHIN_MS);
    }),
  );
  for (const { socket } of listeners) socket.follow({ conversationId, seq: 0 });
  const sender = new Sender(clients, conversationId, listeners, say);
  try {
    return await breakAndWatch(dependency, victim, sender, new Eyes(url, dependency, say), say);
  } finally {
    await Promise.all(listeners.map((listener) => listener.leave()));
  }
}

async function breakAndWatch(
  dependency: Breakable,
  victim: ProcessIdentity,
  sender: Sender,
  eyes: Eyes,
  say: (line: string) => void,
): Promise<Outage> {
  const healthBefore = (await eyes.look()).health;

  say('all is well: a few messages to compare with');
  for (let i = 0; i < MESSAGES_BEFORE; i += 1) await sender.send('before');
  await sender.allDelivered();

  say(`${dependency} stops answering now (SIGSTOP, pid ${victim.pid}); people go on writing`);
  const brokenAt = performance.now();
  const freeze = new Freeze(victim);
  try {
    await writeAndWatch(sender, eyes);
  } finally {
    freeze.thaw();
  }
  const outageMs = performance.now() - brokenAt;
  say(`${dependency} answers again, after ${duration(outageMs)}`);
  const healed = untilHealed(sender, eyes, healthBefore);
  for (let i = 0; i < MESSAGES_AFTER; i += 1) await sender.send('after');
  const healedAfterMs = await healed;
  const [found, seen] = [await sender.found(), await sender.seen()];
  const { acks, delivered } = sender;
  return {
    dependency,
    ackMs: { before: spread(acks.before), during: spread(acks.during), after: spread(acks.after) },
    deliveredMs: { before: spread(delivered.before), during: spread(delivered.during), after: spread(delivered.after) },
    outageMs,
    healedAfterMs,
    messages: { sent: sender.ids.size, found, seen },
  };
}

/** @throws Explained when it is not a private server of the Parley that runs here: the demo breaks nothing that belongs to others. */
async function privateProcess(dependency: Breakable): Promise<ProcessIdentity> {
  const stack = await runningStack();
  if (stack === undefined) throw new Explained('no Parley is running here: start one with `npm start -- --detach`, then break it.');
  const recorded = stack.dependencies.find(({ name }) => name === dependency);
  if (stack.embedded !== undefined) throw new Explained('the embedded mode has no servers to break: see it with the four of `npm start`.');
  if (recorded === undefined) throw new Explained(`this Parley runs without ${dependency}: there is nothing to break.`);
  if (recorded.origin !== 'local' || recorded.process === undefined) {
    const where = recorded.origin === 'env' ? 'is the one that your environment names' : 'runs in Docker';
    throw new Explained(
      `${dependency} ${where}, and the demo only stops servers that \`npm start\` runs privately. See it with a stack of its own:\n` +
        'PARLEY_HOME=/tmp/parley-demo PARLEY_PORT_BASE=18080 npm start -- --detach   (without the *_URL variables)',
    );
  }
  if (!isRunning(recorded.process))
    throw new Explained(`${dependency} is not running at the moment; try again when \`npm run status\` says so.`);
  return recorded.process;
}

/** People write, one searches, and an operator looks, all at once, until the outage was seen at work for a while. */
async function writeAndWatch(sender: Sender, eyes: Eyes): Promise<void> {
  const seen = new AbortController();
  const writing = repeatUntil(seen.signal, PACE_MS, async () => {
    if (sender.ids.size < MAX_MESSAGES - MESSAGES_AFTER) await sender.send('during');
  });
  const searching = repeatUntil(seen.signal, LOOK_EVERY_MS, async () => eyes.searched(await sender.search()));
  try {
    await eyes.untilNoticed();
    await sleep(SHOWN_FOR_MS);
  } finally {
    seen.abort();
    await Promise.all([writing, searching]);
  }
}

async function repeatUntil(signal: AbortSignal, pauseMs: number, work: () => Promise<void>): Promise<void> {
  for (; !signal.aborted; await sleep(pauseMs)) await work();
}

/** @returns how long it took, or null when it took too long. */
async function untilHealed(sender: Sender, eyes: Eyes, healthBefore: string): Promise<number | null> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < HEALED_WITHIN_MS) {
    const { health, isNoticed } = await eyes.look();
    if (health === healthBefore && !isNoticed && (await sender.isAllSearchable())) return performance.now() - startedAt;
    await sleep(LOOK_EVERY_MS);
  }
  return null;
}

/** Writes as the people in turn, and remembers how long each acknowledgement took. */
class Sender {
  readonly ids = new Set<string>();
  readonly acks = { before: [] as number[], during: [] as number[], after: [] as number[] };
  readonly delivered = { before: [] as number[], during: [] as number[], after: [] as number[] };
  private readonly deliveries: Promise<void>[] = [];
  private hasSaidLate = false;

  constructor(
    private readonly clients: readonly ParleyClient[],
    private readonly conversationId: string,
    private readonly listeners: readonly LiveUser[],
    private readonly say: (line: string) => void,
  ) {}

  async send(phase: keyof Sender['acks']): Promise<void> {
    const client = this.client();
    const key = randomUUID();
    const { id, seq, ackMs } = await persistently(async () => {
      const startedAt = performance.now();
      const stored = await client.send(this.conversationId, `Note ${this.ids.size + 1} about the ${TOPIC}`, key);
      return { id: stored.id, seq: stored.seq, ackMs: performance.now() - startedAt };
    });
    this.ids.add(id);
    this.acks[phase].push(ackMs);
    this.deliveries.push(this.follow(seq, performance.now(), phase));
  }

  async isAllSearchable(): Promise<boolean> {
    const { items } = await persistently(() => this.client().messages(this.conversationId, { afterSeq: 0, limit: 200 }));
    return items.every(({ pipeline }) => pipeline.embedding === 'done');
  }

  /** What was left out of a search, such as `dense`. */
  async search(): Promise<readonly string[]> {
    return (await persistently(() => this.client().search({ q: TOPIC, conversationId: this.conversationId, limit: 5 }))).degraded;
  }

  /** How many of them a search by meaning finds, which only vectors answer. */
  async found(): Promise<number> {
    const search = { q: TOPIC, mode: 'dense', conversationId: this.conversationId, limit: 50 } as const;
    const { items } = await persistently(() => this.client().search(search));
    return items.filter(({ message }) => this.ids.has(message.id)).length;
  }

  /** Settles when everything that was sent has come, or should have. */
  async allDelivered(): Promise<void> {
    await Promise.all(this.deliveries);
  }

  /** How many messages both sockets have shown in the end. */
  async seen(): Promise<number> {
    await this.allDelivered();
    return Math.min(...this.listeners.map(({ shown }) => shown.filter((seq, i) => seq === i + 1).length));
  }

  private async follow(seq: number, ackedAt: number, phase: keyof Sender['delivered']): Promise<void> {
    const arrivals = await Promise.all(this.listeners.map((listener) => listener.arrival(seq, DELIVERED_WITHIN_MS)));
    if (arrivals.includes(undefined)) return;
    const tookMs = Math.max(0, ...arrivals.map((at = 0) => at - ackedAt));
    this.delivered[phase].push(tookMs);
    if (tookMs < LATE_AFTER_MS || this.hasSaidLate) return;
    this.hasSaidLate = true;
    this.say(`sockets: #${seq} came ${duration(tookMs)} after its acknowledgement`);
  }

  private client(): ParleyClient {
    const client = this.clients[this.ids.size % this.clients.length];
    if (client === undefined) throw new Error('the conversation has no members');
    return client;
  }
}

/** Looks as an operator does, and tells what changes. */
class Eyes {
  private last = '';
  private lastSearch = '';

  constructor(
    private readonly url: string,
    private readonly dependency: Breakable,
    private readonly say: (line: string) => void,
  ) {}

  /** Settles when the outage can be seen, or after a while without. */
  async untilNoticed(): Promise<void> {
    for (const endsAt = performance.now() + NOTICED_WITHIN_MS; performance.now() < endsAt; await sleep(LOOK_EVERY_MS)) {
      if ((await this.look()).isNoticed) return;
    }
  }

  /** Tells when searches begin or cease to do without a part. */
  searched(degraded: readonly string[]): void {
    const line = degraded.length === 0 ? 'search: whole' : `search: answers without ${degraded.join(', ')}`;
    if (line !== this.lastSearch) this.say(line);
    this.lastSearch = line;
  }

  /** `isNoticed`: a queue pauses and a breaker is open, or, for what no queue waits for, health says so. */
  async look(): Promise<{ health: string; isNoticed: boolean }> {
    const [health, queues, breakers] = await Promise.all([this.health(), this.queues(), this.openBreakers()]);
    const paused = queues.filter(({ paused: isPaused }) => isPaused === true);
    const check = health.checks[this.dependency];
    const line = [
      `health ${health.status}`,
      ...Object.entries(health.checks).flatMap(([name, { status, detail }]) =>
        WELL.has(status) ? [] : [`${name} ${status} (${detail ?? '?'})`],
      ),
      ...(breakers.length === 0 ? [] : [`open breakers: ${breakers.join(', ')}`]),
    ].join('; ');
    if (line !== this.last) this.say(line);
    this.last = line;
    return { health: health.status, isNoticed: this.isNoticed(paused.length > 0, breakers.length > 0, check?.status) };
  }

  private isNoticed(isPaused: boolean, isBreakerOpen: boolean, status: string | undefined): boolean {
    return this.dependency === 'chroma' ? isPaused && isBreakerOpen : status === 'down';
  }

  private async health() {
    const answer = await fetch(new URL('/v1/health', this.url), { signal: AbortSignal.timeout(5_000) });
    return (await answer.json()) as { status: string; checks: Record<string, { status: string; detail?: string }> };
  }

  private async queues(): Promise<readonly QueueView[]> {
    return (await askGateway<{ items: readonly QueueView[] }>('/v1/admin/queues', undefined)).items;
  }

  private async openBreakers(): Promise<string[]> {
    const { items } = await askGateway<{ items: readonly { app: string; dependency: string; operation: string; state: string }[] }>(
      '/v1/admin/breakers',
      undefined,
    );
    return [...new Set(items.filter(({ state }) => state !== 'closed').map((each) => `${each.app}: ${each.dependency} ${each.operation}`))];
  }
}
