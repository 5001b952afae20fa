import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageView } from '#lib/contracts/http';
import { type Answer, type ParleyClient, persistently, RefusedByParley } from '#lib/testing/parley-client';
import { type JournalEntry, SendJournal } from '#lib/testing/send-journal';

/** Operations with a client that waits. */
export type Asked = 'send' | 'read' | 'search' | 'suggest' | 'health' | 'end';

/** One answer. `at`: `performance.now()` when it was asked for; `status` 0 = none came. */
export interface Sample {
  readonly at: number;
  readonly ms: number;
  readonly status: number;
  readonly degraded: readonly string[];
  /** Of health: the status of the whole. */
  readonly says: string | undefined;
}

/** Askers of each kind at once, and the pause of each between two questions, in milliseconds: light, and enough to open a breaker soon. */
const PLAN: Readonly<Record<Asked, { readonly askers: number; readonly pauseMs: number }>> = {
  send: { askers: 4, pauseMs: 150 },
  read: { askers: 4, pauseMs: 250 },
  search: { askers: 5, pauseMs: 500 },
  suggest: { askers: 2, pauseMs: 250 },
  health: { askers: 1, pauseMs: 400 },
  // A conversation that ends is two requests to the language model, so that its breaker opens within seconds.
  end: { askers: 1, pauseMs: 400 },
};

/** What is told of a conversation that ended. */
const ENDED = {
  startTime: '2026-01-31T09:00:00.000Z',
  endTime: '2026-01-31T09:30:00.000Z',
  conversationLog: [{ role: 'user', content: 'Một tách cà phê?' }],
};

/** Asks Parley for everything, again and again, and writes down what came. */
export class Probes {
  readonly samples: Record<Asked, Sample[]> = { send: [], read: [], search: [], suggest: [], health: [], end: [] };
  private isAsking = true;
  private readonly asking: Promise<unknown>;

  constructor(
    private readonly client: ParleyClient,
    /** One for each sender: messages of one conversation wait for each other. */
    conversationIds: readonly string[],
    private readonly journal: SendJournal,
    asked: readonly Asked[],
  ) {
    const conversationOf = (asker: number) => conversationIds[asker % conversationIds.length] ?? '';
    const questions: Record<Asked, (asker: number) => Promise<Answer>> = {
      send: (asker) => this.send(conversationOf(asker)),
      read: (asker) => client.request('GET', `/v1/conversations/${conversationOf(asker)}/messages?limit=5`),
      // Another text each time: the vector of one that was asked before is remembered.
      search: () => client.request('GET', `/v1/search?q=${encodeURIComponent(`coffee ${randomUUID()}`)}&limit=5`),
      suggest: () => client.request('POST', '/v1/activities/suggest', { userId: 'alice' }),
      health: () => client.request('GET', '/v1/health'),
      end: () => client.request('POST', '/v1/conversations/end', { conversationId: randomUUID(), userId: 'alice', ...ENDED }),
    };
    this.asking = Promise.all(
      asked.flatMap((operation) =>
        Array.from({ length: PLAN[operation].askers }, (_, asker) =>
          this.keepAsking(operation, () => questions[operation](asker), PLAN[operation].pauseMs),
        ),
      ),
    );
  }

  /** Resolves when all questions are answered and every message is acknowledged, those that were refused by sending them again. */
  async stop(): Promise<void> {
    this.isAsking = false;
    await this.asking;
    const open = this.journal.entries.filter(({ acknowledged }) => acknowledged === undefined);
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
      const body = (answer?.body ?? {}) as { degraded?: string[] | boolean; status?: unknown };
      this.samples[operation].push({
        at,
        ms: performance.now() - at,
        status: answer?.status ?? 0,
        degraded: body.degraded === true ? ['status'] : body.degraded || [],
        says: typeof body.status === 'string' ? body.status : undefined,
      });
      await sleep(pauseMs);
    }
  }

  private async send(conversationId: string): Promise<Answer> {
    const key = randomUUID();
    const entry: JournalEntry = { key, conversationId, content: `một tách cà phê, ${key}` };
    this.journal.entries.push(entry);
    return this.attempt(entry);
  }

  private async attempt(entry: JournalEntry): Promise<Answer> {
    const { key, conversationId, content } = entry;
    const path = `/v1/conversations/${conversationId}/messages`;
    const answer = await this.client.request('POST', path, { content }, { 'idempotency-key': key });
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
