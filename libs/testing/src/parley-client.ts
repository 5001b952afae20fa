import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ConversationView, MessageView, SearchResults } from '#lib/contracts/http';
import { Problem } from '#lib/contracts/problems';
import { Explained } from '#lib/devstack/terminal/explain';

/** An answer of Parley as it came, whatever its status. `body` is parsed JSON, undefined when there is none. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** One search as a client words it. */
export interface SearchParams {
  readonly q: string;
  readonly mode?: 'hybrid' | 'dense' | 'sparse';
  readonly conversationId?: string;
  readonly limit?: number;
  readonly explain?: boolean;
}

/** Parley said no; `problem` is what it said, undefined when it was not a problem document. */
export class RefusedByParley extends Explained {
  constructor(
    readonly answer: Answer,
    request: string,
  ) {
    const problem = Problem.safeParse(answer.body);
    super(`${request} was answered ${answer.status}${problem.success ? ` ${problem.data.code}: ${problem.data.detail}` : ''}`);
    this.name = 'RefusedByParley';
    this.problem = problem.data;
  }

  readonly problem: Problem | undefined;
}

const MessagePageView = z.object({ items: z.array(MessageView), headSeq: z.int() });

/** Longer than the gateway's longest deadline (10 s, a search): if this expires, Parley hung. */
const TIMEOUT_MS = 15_000;

/** One user of a running Parley, over REST, as a well-behaved client program would be: deadlines, same key on each retry, `Retry-After` honoured. */
export class ParleyClient {
  constructor(
    readonly url: string,
    private readonly token: string,
  ) {}

  async createConversation(conversation: { title?: string; memberIds: readonly string[] }): Promise<ConversationView> {
    return ConversationView.parse((await this.expect('POST', '/v1/conversations', conversation)).body);
  }

  /** Sends once. @throws RefusedByParley, or fetch's own error when the connection broke and the outcome is unknown. */
  async send(conversationId: string, content: string, key?: string): Promise<MessageView> {
    const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
    return MessageView.parse((await this.expect('POST', `/v1/conversations/${conversationId}/messages`, { content }, headers)).body);
  }

  async message(id: string): Promise<MessageView> {
    return MessageView.parse((await this.expect('GET', `/v1/messages/${id}`)).body);
  }

  async messages(conversationId: string, range: { afterSeq?: number; limit?: number } = {}) {
    return MessagePageView.parse((await this.expect('GET', `/v1/conversations/${conversationId}/messages?${query(range)}`)).body);
  }

  async search(params: SearchParams): Promise<SearchResults> {
    return SearchResults.parse((await this.expect('GET', `/v1/search?${query(params)}`)).body);
  }

  /** One request; never throws for a status. */
  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    if (body === undefined) return this.requestRaw(method, path, undefined, headers);
    return this.requestRaw(method, path, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
  }

  /** One request whose body and headers are sent exactly as given; `authorization` is added unless given. */
  async requestRaw(method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(new URL(path, this.url), {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...headers },
      body: body ?? null,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : parsed(text) };
  }

  private async expect(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await this.request(method, path, body, headers);
    if (answer.status >= 400) throw new RefusedByParley(answer, `${method} ${path.split('?')[0]}`);
    return answer;
  }
}

/**
 * Repeats `work` while Parley is away (connection refused or broken, no answer in time) or asks to come back later (429, 503),
 * as long as `Retry-After` says and otherwise `pauseMs`. `work` must carry its own idempotency key.
 * @throws what `work` last threw, when it is final or when `timeoutMs` has passed.
 */
export async function persistently<T>(work: () => Promise<T>, { timeoutMs = 60_000, pauseMs = 100 } = {}): Promise<T> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const waitMs = waitBeforeRetry(error, pauseMs);
      if (waitMs === undefined || performance.now() + waitMs > endsAt) throw error;
      await sleep(waitMs);
    }
  }
}

function waitBeforeRetry(error: unknown, pauseMs: number): number | undefined {
  if (error instanceof RefusedByParley) {
    const { status, headers } = error.answer;
    if (status !== 429 && status !== 503) return undefined;
    const seconds = Number(headers.get('retry-after'));
    return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : pauseMs;
  }
  // What fetch throws for a broken connection, and what its timeout signal throws.
  const isAway = error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError');
  return isAway ? pauseMs : undefined;
}

function query(params: object): string {
  const entries = Object.entries(params).filter(([, value]) => value !== undefined);
  return new URLSearchParams(entries.map(([name, value]): [string, string] => [name, String(value)])).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
