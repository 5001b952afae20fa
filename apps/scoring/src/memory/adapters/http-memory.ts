import { z } from 'zod';
import type { UserId } from '#lib/contracts/ids';
import { httpDispatcher } from '#lib/resilience/adapters/http/http-dispatcher';
import { type Endpoint, endpointOf, HttpFailure, requestJson, UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import { attributedTo } from '#lib/resilience/call/attribution';
import type { Breakers } from '#lib/resilience/call/breakers';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Transcript } from '#lib/scores/transcript';
import { MemoryPort } from '../memory.port.js';

/** Where the API is. */
export interface MemoryOptions {
  /** MEMORY_API_URL. */
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  /** One try and all of them, in milliseconds; for tests. */
  readonly timeoutMs?: number;
  readonly withinMs?: number;
}

/** Numbers of docs/concepts/resilience.md. */
const TRY_MS = 5_000;
const CALL_MS = 11_000;
const ATTEMPTS = 2;
const BACKOFF = { baseMs: 500, capMs: 1_000 };
const RESET_MS = 30_000;
const CONNECT_MS = 2_000;
const BULKHEAD = { concurrent: 8, queued: 100 };
/** A memory has a sentence, a conversation some tens of them. */
const MAX_ANSWER_BYTES = 262_144;
/** More than one conversation teaches about a user, whatever the API says. */
const MAX_MEMORIES = 100;

const Change = z.object({ event: z.string() });
/** A list, or a list in `results`, by version of the API. */
const Answer = z.union([z.array(Change), z.object({ results: z.array(Change) }).transform(({ results }) => results)]);

/** A memory API in the style of Mem0: `POST <base>/memories/` with the turns answers with what it did about each thing that it learnt. */
export class HttpMemory extends MemoryPort {
  private readonly endpoint: Endpoint;
  private readonly dispatcher: ReturnType<typeof httpDispatcher>;
  private readonly calls: DependencyCall;

  constructor(
    private readonly options: MemoryOptions,
    breakers: Breakers,
  ) {
    super();
    const { baseUrl, apiKey, timeoutMs = TRY_MS } = options;
    this.endpoint = endpointOf(baseUrl, apiKey === undefined ? {} : { authorization: `Token ${apiKey}` });
    this.dispatcher = httpDispatcher({
      connectTimeoutMs: Math.min(CONNECT_MS, timeoutMs),
      connections: BULKHEAD.concurrent,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    });
    this.calls = new DependencyCall(
      { dependency: 'memory', operation: 'add', timeoutMs, attempts: ATTEMPTS, backoff: BACKOFF, resetMs: RESET_MS, bulkhead: BULKHEAD },
      breakers,
    );
  }

  override async newMemories(transcript: Transcript, userId: UserId, signal: AbortSignal): Promise<number> {
    const { withinMs = CALL_MS } = this.options;
    const add = (ending: AbortSignal) => this.add(transcript, userId, ending, signal);
    try {
      signal.throwIfAborted();
      return await attributedTo(userId, () => withDeadline(withinMs, () => this.calls.run(add)));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof DependencyError || error instanceof DeadlineExceeded)) throw error;
      metrics.fallback.inc({ dependency: 'memory', operation: 'add' });
      return 0;
    }
  }

  override close(): void {
    this.calls.close();
    void this.dispatcher.destroy();
  }

  private async add(transcript: Transcript, userId: UserId, ending: AbortSignal, caller: AbortSignal): Promise<number> {
    const { conversationId, fingerprint, turns } = transcript;
    const body = {
      user_id: userId,
      messages: turns.map(({ role, content }) => ({ role: role === 'user' ? 'user' : 'assistant', content })),
      metadata: { conversationId, fingerprint },
    };
    try {
      const signal = AbortSignal.any([ending, caller]);
      const answer = Answer.safeParse(await requestJson(this.dispatcher, this.endpoint, { path: '/memories/', body, signal }));
      if (!answer.success) throw new UnusableAnswer('POST /memories/', 'an answer of another shape');
      return Math.min(MAX_MEMORIES, answer.data.filter(({ event }) => event === 'ADD').length);
    } catch (error) {
      // A caller who has gone says nothing about the API.
      if (caller.aborted) throw new DependencyError('memory', 'add', 'timeout', { cause: new DeadlineExceeded(0) });
      const isOfConversation = error instanceof HttpFailure && [400, 413, 422].includes(error.status);
      throw isOfConversation ? new DependencyError('memory', 'add', 'unavailable', { cause: error, isAttributable: true }) : error;
    }
  }
}
