import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageView } from '#lib/contracts/http';
import { type Answer, type ParleyClient, persistently, RefusedByParley } from '#lib/testing/parley-client';
import type { JournalEntry, SendJournal } from '#lib/testing/send-journal';

/** Operations with a client that waits. */
export type Asked = 'live' | 'send' | 'send there' | 'read' | 'search' | 'suggest' | 'health' | 'end';

/** All of them. */
export const everyAsked: readonly Asked[] = ['live', 'send', 'send there', 'read', 'search', 'suggest', 'health', 'end'];

/** One answer. `at`: `performance.now()` when it was asked for; `status` 0 = none came. */
export interface Sample {
  readonly at: number;
  readonly ms: number;
  readonly status: number;
  readonly degraded: readonly string[];
  /** Of health: the status of the whole. */
  readonly says: string | undefined;
  /** Of health: the checks that were not well, each with its status and why. */
  readonly notWell: readonly string[];
}

/** Of health: what it says of a dependency. */
interface Check {
  readonly status: string;
  readonly detail?: string;
}

/** Askers of each kind at once, and the pause of each between two questions, in milliseconds: light, and enough to open a breaker soon. */
const PLAN: Readonly<Record<Asked, { readonly askers: number; readonly pauseMs: number }>> = {
  live: { askers: 1, pauseMs: 600 },
  send: { askers: 4, pauseMs: 150 },
  'send there': { askers: 4, pauseMs: 150 },
  read: { askers: 4, pauseMs: 250 },
  search: { askers: 5, pauseMs: 500 },
  suggest: { askers: 2, pauseMs: 250 },
  health: { askers: 1, pauseMs: 400 },
  // A conversation that ends is two requests to the language model, so that its breaker opens within seconds.
  end: { askers: 2, pauseMs: 300 },
};

/**
 * Between two messages to members who are offline, and the conversations that these go to in turn: a device gets a push of one conversation every
 * 8 s at most.
 */
const PUSH_PLAN = { pauseMs: 1_000, conversations: 20 } as const;

/** What is asked, and of what. */
export interface ProbePlan {
  readonly client: ParleyClient;
  /** One for each sender: messages of one conversation wait for each other. */
  readonly conversationIds: readonly string[];
  /** Where `send there` sends, and how many do. */
  readonly there: { readonly conversationId: string; readonly senders: number } | undefined;
  /** Conversations with a member who is offline and has a device; empty: no push is looked at. */
  readonly pushed: readonly string[];
  /** `/livez` of every process. */
  readonly liveUrls: readonly string[];
  readonly journal: SendJournal;
  readonly asked: readonly Asked[];
}

/** As many conversations as are needed to see pushes all the time, with this member. One after another: one caller may not have them all at once. */
export async function conversationsWith(client: ParleyClient, member: string): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < PUSH_PLAN.conversations) ids.push((await client.createConversation({ memberIds: [member] })).id);
  return ids;
}

/** Longer than any standstill of a loop in the table. */
const LIVE_WITHIN_MS = 5_000;

/** What is told of a conversation that ended. */
const ENDED = {
  startTime: '2026-01-31T09:00:00.000Z',
  endTime: '2026-01-31T09:30:00.000Z',
  conversationLog: [{ role: 'user', content: 'Một tách cà phê?' }],
};

/** Asks Parley for everything, again and again, and writes down what came. */
export class Probes {
  readonly samples: Record<Asked, Sample[]> = {
    live: [],
    send: [],
    'send there': [],
    read: [],
    search: [],
    suggest: [],
    health: [],
    end: [],
  };
  /** Messages to members who are offline, and when each was sent. */
  readonly toBePushed: { readonly entry: JournalEntry; readonly at: number }[] = [];
  private isAsking = true;
  private readonly asking: Promise<unknown>;

  constructor(private readonly plan: ProbePlan) {
    const { client, conversationIds, there, pushed, asked } = plan;
    const conversationOf = (asker: number) => conversationIds[asker % conversationIds.length] ?? '';
    const questions: Record<Asked, (asker: number) => Promise<Answer>> = {
      live: () => this.live(),
      send: (asker) => this.send(conversationOf(asker)),
      'send there': () => this.send(there?.conversationId ?? ''),
      read: (asker) => client.request('GET', `/v1/conversations/${conversationOf(asker)}/messages?limit=5`),
      // Another text each time: the vector of one that was asked before is remembered.
      search: () => client.request('GET', `/v1/search?q=${encodeURIComponent(`coffee ${randomUUID()}`)}&limit=5`),
      suggest: () => client.request('POST', '/v1/activities/suggest', { userId: 'alice' }),
      health: () => client.request('GET', '/v1/health'),
      end: () => client.request('POST', '/v1/conversations/end', { conversationId: randomUUID(), userId: 'alice', ...ENDED }),
    };
    const askersOf = (operation: Asked) => (operation === 'send there' ? (there?.senders ?? 0) : PLAN[operation].askers);
    const asking = asked.flatMap((operation) =>
      Array.from({ length: askersOf(operation) }, (_, asker) =>
        this.keepAsking(operation, () => questions[operation](asker), PLAN[operation].pauseMs),
      ),
    );
    this.asking = Promise.all([...asking, this.keepTelling(pushed)]);
  }

  /** Resolves when all questions are answered and every message is acknowledged, those that were refused by sending them again. */
  async stop(): Promise<void> {
    this.isAsking = false;
    await this.asking;
    const open = this.plan.journal.entries.filter(({ acknowledged }) => acknowledged === undefined);
    await Promise.all(open.map((entry) => persistently(async () => this.mustBeAccepted(await this.attempt(entry)), { timeoutMs: 30_000 })));
  }

  /** What was asked from one moment on and answered until another. */
  within(operation: Asked, from: number, to = Number.POSITIVE_INFINITY): Sample[] {
    return this.samples[operation].filter(({ at, ms }) => at >= from && at + ms <= to);
  }

  private async keepAsking(operation: Asked, ask: () => Promise<Answer>, pauseMs: number): Promise<void> {
    while (this.isAsking) {
      const at = performance.now();
      const answer = await ask().catch(() => undefined);
      const body = (answer?.body ?? {}) as { degraded?: string[] | boolean; status?: unknown; checks?: Record<string, Check> };
      this.samples[operation].push({
        at,
        ms: performance.now() - at,
        status: answer?.status ?? 0,
        degraded: body.degraded === true ? ['status'] : body.degraded || [],
        says: typeof body.status === 'string' ? body.status : undefined,
        notWell: Object.entries(body.checks ?? {}).flatMap(([name, { status, detail = '' }]) =>
          status === 'ok' ? [] : [`${name} ${status} ${detail}`.trimEnd()],
        ),
      });
      await sleep(pauseMs);
    }
  }

  /** The first process that does not say that it is alive, or the last one that does. */
  private async live(): Promise<Answer> {
    const answers = await Promise.all(
      this.plan.liveUrls.map((url) => fetch(`${url}/livez`, { signal: AbortSignal.timeout(LIVE_WITHIN_MS) })),
    );
    for (const answer of answers) await answer.body?.cancel();
    const { status, headers } = answers.find(({ ok }) => !ok) ?? answers.at(-1) ?? new Response(null, { status: 500 });
    return { status, headers, body: undefined };
  }

  private async keepTelling(pushed: readonly string[]): Promise<void> {
    for (let turn = 0; this.isAsking && pushed.length > 0; turn += 1) {
      const entry = this.newEntry(pushed[turn % pushed.length] ?? '');
      this.toBePushed.push({ entry, at: performance.now() });
      await this.attempt(entry).catch(() => undefined); // sent again at the end
      await sleep(PUSH_PLAN.pauseMs);
    }
  }

  private async send(conversationId: string): Promise<Answer> {
    return this.attempt(this.newEntry(conversationId));
  }

  private newEntry(conversationId: string): JournalEntry {
    const key = randomUUID();
    const entry: JournalEntry = { key, conversationId, content: `một tách cà phê, ${key}` };
    this.plan.journal.entries.push(entry);
    return entry;
  }

  private async attempt(entry: JournalEntry): Promise<Answer> {
    const { key, conversationId, content } = entry;
    const path = `/v1/conversations/${conversationId}/messages`;
    const answer = await this.plan.client.request('POST', path, { content }, { 'idempotency-key': key });
    if (answer.status === 202) {
      const { id, seq } = MessageView.parse(answer.body);
      entry.acknowledged = { id, seq };
    }
    return answer;
  }

  private mustBeAccepted(answer: Answer): void {
    if (answer.status !== 202) throw new RefusedByParley(answer, 'a message that is sent again');
  }
}
