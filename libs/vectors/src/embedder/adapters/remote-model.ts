import type { Dispatcher } from 'undici';
import type { Breakers } from '#lib/resilience/call/breakers';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { EMBED_CALL_TIMEOUT_MS, type EmbedderPort, TextRejected } from '../embedder.port.js';
import { httpDispatcher } from '#lib/resilience/adapters/http/http-dispatcher';
import { type Endpoint, endpointOf, HttpFailure, requestJson, UnusableAnswer } from '#lib/resilience/adapters/http/json-request';

/** A model behind HTTP: where it is, how it is called, and how long its vectors are. */
export interface RemoteModelOptions {
  /** EMBEDDING_BASE_URL. */
  readonly baseUrl: string;
  /** EMBEDDING_MODEL, as the endpoint knows it. */
  readonly model: string;
  /** EMBEDDING_DIMENSION; 0 = not known yet, vectors of any length pass (see `askDimension`). */
  readonly dimension: number;
  /** EMBEDDING_API_KEY, sent as a bearer token. */
  readonly apiKey?: string | undefined;
  /** Calls in flight at once (ML_EMBED_WORKERS). */
  readonly concurrent?: number;
  /** For tests. */
  readonly timeoutMs?: number;
}

/** A text that every model takes. */
const PLAIN_TEXT = 'How long are you?';
/** 100 vectors of 3,072 floats as JSON are 7 MB. */
const MAX_ANSWER_BYTES = 32 * 1_024 * 1_024;

/** The part that the adapters of remote models share: how the model is called, and whose fault it is when that fails. */
export class RemoteModel {
  private readonly endpoint: Endpoint;
  private readonly dispatcher: Dispatcher;
  private readonly calls: DependencyCall;

  constructor(
    private readonly options: RemoteModelOptions,
    breakers: Breakers,
  ) {
    const { baseUrl, apiKey, concurrent = 2, timeoutMs = EMBED_CALL_TIMEOUT_MS } = options;
    this.endpoint = endpointOf(baseUrl, apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` });
    this.dispatcher = httpDispatcher({ connectTimeoutMs: 2_000, connections: concurrent, maxAnswerBytes: MAX_ANSWER_BYTES });
    this.calls = new DependencyCall(
      {
        dependency: 'embedder',
        operation: 'embed',
        timeoutMs,
        resetMs: 60_000,
        bulkhead: { concurrent, queued: 1_000 },
        isItsFault: (error) => !(error instanceof TextRejected),
      },
      breakers,
    );
  }

  /** Asks the model and reads vectors out of its answer with `read`, one per text. @throws DependencyError, TextRejected. */
  async embed(
    texts: readonly string[],
    path: string,
    bodyOf: (texts: readonly string[]) => unknown,
    read: (answer: unknown) => readonly (readonly number[])[],
  ) {
    if (texts.length === 0) return [];
    return this.calls.run((signal) =>
      blaming(this.options.model, texts, async (some) => this.vectors(read(await this.post(path, bodyOf(some), signal)), some.length)),
    );
  }

  /** Closes the connections. Calls in flight fail. */
  close(): void {
    this.calls.close();
    void this.dispatcher.destroy();
  }

  private async post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    try {
      return await requestJson(this.dispatcher, this.endpoint, { path, body, signal });
    } catch (error) {
      throw this.judged(error);
    }
  }

  /**
   * Only an answer about the input itself is the input's fault. 401, 403 and 404 (unknown key, unknown model) would send every message
   * to the dead-letter queue if they were: they say that the set-up is wrong, so they count against the model and the consumers wait.
   */
  private judged(error: unknown): unknown {
    if (!(error instanceof HttpFailure)) return error;
    const { status } = error;
    if (status === 400 || status === 413 || status === 422) return new TextRejected(this.options.model, `answer ${status}`);
    return error;
  }

  private vectors(rows: readonly (readonly number[])[], textCount: number): Float32Array[] {
    const { model, dimension } = this.options;
    if (rows.length !== textCount) throw new UnusableAnswer(model, `${rows.length} vectors for ${textCount} texts`);
    return rows.map((row) => {
      if (dimension !== 0 && row.length !== dimension) {
        throw new UnusableAnswer(model, `vectors of ${row.length} dimensions, expected ${dimension}: check EMBEDDING_DIMENSION`);
      }
      return toUnitLength(Float32Array.from(row), model);
    });
  }
}

/** Length of the vectors that a model gives, found out by asking it once, within 10 s. @throws DependencyError, DeadlineExceeded. */
export async function askDimension(
  Adapter: new (options: RemoteModelOptions, breakers: Breakers) => EmbedderPort,
  options: Omit<RemoteModelOptions, 'dimension'>,
  breakers: Breakers,
): Promise<number> {
  const model = new Adapter({ ...options, dimension: 0 }, breakers);
  try {
    const [vector] = await withDeadline(10_000, () => model.embed([PLAIN_TEXT]));
    return vector?.length ?? 0;
  } finally {
    model.close();
  }
}

/** A vector of zeros, or of what is no number. */
class NoDirection extends UnusableAnswer {}

/**
 * Embeds texts with `ask`, and finds out whose fault a failure is that may be theirs: servers answer 500 for a text whose vector is not made
 * of numbers, and 200 with zeros. A model that still takes a plain text works; no breaker may open for what a caller wrote (law 9).
 * @throws TextRejected when it is the texts', otherwise what `ask` threw.
 */
export async function blaming<T>(model: string, texts: readonly string[], ask: (texts: readonly string[]) => Promise<T>): Promise<T> {
  try {
    return await ask(texts);
  } catch (error) {
    const mayBeTheirs = error instanceof NoDirection || (error instanceof HttpFailure && error.status === 500);
    if (!mayBeTheirs || texts.every((text) => text === PLAIN_TEXT)) throw error;
    const works = await ask([PLAIN_TEXT]).then(
      () => true,
      () => false,
    );
    throw works ? new TextRejected(model, `it fails for this one and takes others (${error.message})`) : error;
  }
}

/** Scales a vector to length 1, in place. @throws UnusableAnswer for one that has no direction. */
export function toUnitLength(vector: Float32Array, model: string): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (!Number.isFinite(squares) || squares === 0) throw new NoDirection(model, 'a vector without a direction');
  const scale = 1 / Math.sqrt(squares);
  for (let i = 0; i < vector.length; i += 1) vector[i] = (vector[i] ?? 0) * scale;
  return vector;
}
