import { httpDispatcher } from '#lib/resilience/adapters/http/http-dispatcher';
import { endpointOf, HttpFailure, requestText } from '#lib/resilience/adapters/http/json-request';
import type { Breakers } from '#lib/resilience/call/breakers';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { ChannelBusy } from '../alert-channel.port.js';

/** docs/concepts/resilience.md, "Numbers": alert webhook. */
const CONNECT_MS = 2_000;
const CALL_MS = 5_000;
const RESET_MS = 30_000;
/** One in flight: its sender sends one after the other anyway. */
const BULKHEAD = { concurrent: 1, queued: 1 };
const MAX_ANSWER_BYTES = 65_536;

/** Posts to a URL that is a secret as a whole: it stands in no error. */
export class WebhookApi {
  private readonly dispatcher: ReturnType<typeof httpDispatcher>;
  private readonly calls: DependencyCall;

  /** @param options.timeoutMs for tests. */
  constructor(
    dependency: 'googleChat' | 'alertWebhook',
    private readonly options: { readonly url: string; readonly timeoutMs?: number | undefined },
    breakers: Breakers,
  ) {
    const { timeoutMs = CALL_MS } = options;
    this.dispatcher = httpDispatcher({
      connectTimeoutMs: Math.min(CONNECT_MS, timeoutMs),
      connections: 1,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    });
    // 400: this body is not taken. 429: too many of them. Both prove that the other side works.
    const isItsFault = (error: unknown) => !(error instanceof HttpFailure && (error.status === 400 || error.status === 429));
    this.calls = new DependencyCall(
      { dependency, operation: 'send', timeoutMs, resetMs: RESET_MS, bulkhead: BULKHEAD, isItsFault },
      breakers,
    );
  }

  /**
   * @param parameters added to those of the URL. @param read throws when the answer is not that of the right server.
   * @throws ChannelBusy for 429, HttpFailure for 400, DependencyError for everything else.
   */
  async post(
    body: unknown,
    parameters: Readonly<Record<string, string>> = {},
    read: (answer: string) => void = () => undefined,
  ): Promise<void> {
    const url = new URL(this.options.url);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    // All of it is the URL of the endpoint, so that errors, which name the path of a call, name none.
    const endpoint = { ...endpointOf(url.href), url: url.origin + url.pathname + url.search };
    try {
      await this.calls.run(async (signal) => read(await requestText(this.dispatcher, endpoint, { path: '', body, signal })));
    } catch (error) {
      throw error instanceof HttpFailure && error.status === 429 ? new ChannelBusy(error.retryAfterMs) : error;
    }
  }

  /** Closes the connections. A call in flight fails. */
  close(): void {
    void this.dispatcher.destroy();
  }
}
