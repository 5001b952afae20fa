import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { httpDispatcher } from '#lib/resilience/adapters/http/http-dispatcher';
import { type Endpoint, endpointOf, HttpFailure, requestJson, UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import { attributedTo } from '#lib/resilience/call/attribution';
import type { Breakers } from '#lib/resilience/call/breakers';
import { remainingMs, withDeadline } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { type RetryBudget, waitBeforeRetry } from '#lib/resilience/call/retry';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { metrics } from '#lib/runtime/metrics/metrics';
import { shownContent } from '#lib/runtime/trace/content';
import { currentSpan, inSpan } from '#lib/runtime/trace/span';
import type { AnalysisRequest } from '../../llm-analysis.port.js';
import type { LlmBudget } from '../../llm-budget.js';
import { aboutConversation } from '../../scoring-step.js';
import { ChatParameters, type ChatQuestion } from './chat-parameters.js';

/** Where the model is, and what calls to it may cost. */
export interface ChatOptions {
  /** LLM_BASE_URL. */
  readonly baseUrl: string;
  readonly model: string;
  readonly apiKey?: string | undefined;
  /** One try with its body, and all tries of a call with the waits between them, in milliseconds; for tests. */
  readonly timeoutMs?: number;
  readonly withinMs?: number;
  readonly backoff?: { readonly baseMs: number; readonly capMs: number };
}

/** Numbers of R084 to R086 and docs/concepts/resilience.md. */
const TRY_MS = 15_000;
const CALL_MS = 55_000;
const ATTEMPTS = 3;
const BACKOFF = { baseMs: 2_000, capMs: 10_000 };
const RESET_MS = 60_000;
const CONNECT_MS = 2_000;
const BULKHEAD = { concurrent: 8, queued: 100 };
/** An answer has some 200 bytes, and thousands where a server adds how the model came to it. */
const MAX_ANSWER_BYTES = 262_144;
/** Longest `Retry-After` that is obeyed: a wrong one must not stop the analysis for a day. */
const MAX_QUIET_MS = 60_000;

/** Told in spans only: an answer is not refused for it. */
const told = z.string().max(200).optional().catch(undefined);

const Completion = z.object({
  id: told,
  model: told,
  choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }), finish_reason: told })).min(1),
  usage: z.object({ prompt_tokens: z.number().nonnegative().optional(), completion_tokens: z.number().nonnegative().optional() }).nullish(),
});

/**
 * `POST <base>/chat/completions` of any endpoint that speaks like OpenAI. From outside to inside: 55 s for all, a try's share of the budget,
 * three tries when it could not be reached or said that it cannot now, the breaker `llm`, one try of 15 s with its body.
 */
export class ChatApi {
  private readonly endpoint: Endpoint;
  private readonly dispatcher: ReturnType<typeof httpDispatcher>;
  private readonly calls: DependencyCall;
  private readonly retries: RetryBudget;
  private readonly parameters: ChatParameters;
  private readonly host: string;
  /** A half-open breaker permits one trial at a time: the second analysis of a run waits for the first instead of failing. */
  private readonly trials = new Semaphore(undefined, { concurrent: 1, queued: BULKHEAD.queued });

  constructor(
    private readonly options: ChatOptions,
    private readonly budget: LlmBudget,
    breakers: Breakers,
  ) {
    const { baseUrl, apiKey, model, timeoutMs = TRY_MS } = options;
    this.endpoint = endpointOf(baseUrl, apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` });
    this.dispatcher = httpDispatcher({
      connectTimeoutMs: Math.min(CONNECT_MS, timeoutMs),
      connections: BULKHEAD.concurrent,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    });
    this.calls = new DependencyCall({ dependency: 'llm', operation: 'chat', timeoutMs, resetMs: RESET_MS, bulkhead: BULKHEAD }, breakers);
    this.retries = breakers.retryBudgetOf('llm');
    this.parameters = new ChatParameters(model);
    this.host = new URL(baseUrl).hostname;
  }

  /**
   * What the model wrote. @throws DependencyError; one that is attributable when it answered with something that the conversation may have caused.
   */
  async ask(question: ChatQuestion, request: AnalysisRequest): Promise<string> {
    const { withinMs = CALL_MS } = this.options;
    try {
      return await attributedTo(request.userId, () => withDeadline(withinMs, () => this.untilAnswered(question, request)));
    } catch (error) {
      request.signal.throwIfAborted();
      // The limit of this call, not of its caller: no answer in time.
      if (error instanceof DeadlineExceeded && remainingMs() > 0) throw new DependencyError('llm', 'chat', 'timeout', { cause: error });
      throw error;
    }
  }

  /** Closes the connections. Calls in flight fail. */
  close(): void {
    this.calls.close();
    void this.dispatcher.destroy();
  }

  private async untilAnswered(question: ChatQuestion, request: AnalysisRequest): Promise<string> {
    const { userId, lane, signal } = request;
    const { backoff = BACKOFF } = this.options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        // An open breaker refuses without a request: nothing is taken from the budget for it.
        if (this.calls.state !== 'open') await this.budget.take({ caller: userId, lane }, signal);
        return await this.traced(question, request, attempt);
      } catch (error) {
        signal.throwIfAborted();
        const retry = { error, attempt, attempts: ATTEMPTS, backoff, budget: this.retries, remainingMs: remainingMs() };
        const waitMs = mayPass(error) ? waitBeforeRetry(retry) : undefined;
        if (waitMs === undefined) throw error;
        await sleep(waitMs, undefined, { signal });
      }
    }
  }

  /** One try is one span: what the wait for budget and the waits between tries take is not the model's time. */
  private async traced(question: ChatQuestion, { transcript, signal }: AnalysisRequest, attempt: number): Promise<string> {
    return inSpan(`chat ${this.options.model}`, 'client', async (span) => {
      span
        ?.keep()
        .setAll(aboutConversation(transcript))
        .setAll(this.parameters.told)
        .set('gen_ai.operation.name', 'chat')
        .set('gen_ai.provider.name', 'openai')
        .set('gen_ai.output.type', 'json')
        .set('server.address', this.host)
        .set('app.step', question.schema.name)
        .set('app.attempt', attempt);
      span?.setContent(
        'langfuse.observation.input',
        shownContent(() => `${question.system}\n${question.user}`),
      );
      const answer = await this.once(question, signal);
      span?.setContent(
        'langfuse.observation.output',
        shownContent(() => answer),
      );
      return answer;
    });
  }

  private async once(question: ChatQuestion, signal: AbortSignal): Promise<string> {
    const call = () => this.calls.run((ending) => this.post(question, AbortSignal.any([signal, ending]), signal));
    return this.calls.state === 'half-open' ? this.trials.run(call, { signal }) : call();
  }

  private async post(question: ChatQuestion, ending: AbortSignal, caller: AbortSignal): Promise<string> {
    try {
      return await this.parameters.negotiate(question, async (body) => {
        const answer = await requestJson(this.dispatcher, this.endpoint, { path: '/chat/completions', body, signal: ending });
        return this.textOf(answer);
      });
    } catch (error) {
      // A caller who has gone says nothing about the model.
      if (caller.aborted) throw new DependencyError('llm', 'chat', 'timeout', { cause: new DeadlineExceeded(0) });
      throw error instanceof HttpFailure ? await this.judged(error) : error;
    }
  }

  /**
   * 400, 413 and 422 may be about the conversation: too long, or something that the endpoint does not let its model read. 401, 403 and 404 say
   * that the set-up is wrong, which waiting consumers show.
   */
  private async judged(failure: HttpFailure): Promise<Error> {
    const { status } = failure;
    const quietMs = failure.retryAfterMs === undefined ? undefined : Math.min(MAX_QUIET_MS, failure.retryAfterMs);
    if (status === 429) {
      metrics.llmRateLimited.inc();
      await this.budget.slowDown(quietMs);
    }
    const isOfConversation = status === 400 || status === 413 || status === 422;
    return new DependencyError('llm', 'chat', 'unavailable', {
      cause: failure,
      isAttributable: isOfConversation,
      ...(quietMs === undefined ? {} : { retryAfterMs: quietMs }),
    });
  }

  private textOf(answer: unknown): string {
    const parsed = Completion.safeParse(answer);
    if (!parsed.success) throw new UnusableAnswer('POST /chat/completions', 'an answer of another shape than chat completions have');
    const { choices, usage, id, model } = parsed.data;
    currentSpan()
      ?.set('gen_ai.response.id', id)
      .set('gen_ai.response.model', model)
      .set(
        'gen_ai.response.finish_reasons',
        choices.flatMap(({ finish_reason: reason }) => reason ?? []),
      )
      .set('gen_ai.usage.input_tokens', usage?.prompt_tokens)
      .set('gen_ai.usage.output_tokens', usage?.completion_tokens);
    metrics.llmTokens.inc({ direction: 'in' }, usage?.prompt_tokens ?? 0);
    metrics.llmTokens.inc({ direction: 'out' }, usage?.completion_tokens ?? 0);
    return choices[0]?.message.content ?? '';
  }
}

/** Only what the same request may not meet again: no connection, no answer in time, 429, 5xx (R085). */
const mayPass = (error: unknown): boolean => {
  if (!(error instanceof DependencyError) || error.isAttributable) return false;
  const { cause } = error;
  if (cause instanceof HttpFailure) return cause.status === 429 || cause.status >= 500;
  const isTooLong = cause instanceof Error && 'code' in cause && cause.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE';
  return !(cause instanceof UnusableAnswer) && !isTooLong;
};
