import { ChromaClient, type ChromaClientArgs, type Collection } from 'chromadb';
import type { Dispatcher } from 'undici';
import { httpDispatcher, passingOn } from '#lib/resilience/adapters/http/http-dispatcher';
import {
  type Endpoint,
  endpointOf,
  HttpFailure,
  requestJson,
  retryAfterMs,
  UnusableAnswer,
} from '#lib/resilience/adapters/http/json-request';

/** Where Chroma is. */
export interface ChromaEndpoint {
  /** CHROMA_URL; a path in it is kept in front of Chroma's own. */
  readonly url: string;
  /** CHROMA_TOKEN. Chroma's own 1.x server knows no tokens: they are for Chroma Cloud, older servers and proxies in front. */
  readonly token?: string | undefined;
}

/** R101: a batch has at most 100 records. */
export const MAX_RECORDS = 100;
/** The embeddings of the 1,000 chunks that are compared at most (chunk-directory.ts), of 3,072 dimensions, are 49 MB of JSON. */
const MAX_ANSWER_BYTES = 64 * 1_024 * 1_024;
/** Made once: an error of its own for each call would cost more than the abort. */
const OVER = new Error('the call is over');
const TENANT = 'default_tenant';
const DATABASE = 'default_database';
const COLLECTIONS = `/api/v2/tenants/${TENANT}/databases/${DATABASE}/collections`;

/** What came over the wire in one call: the errors of the client leave out status and cause. */
interface Seen {
  status?: number;
  retryAfterMs?: number | undefined;
  error?: Error;
}

/** The client of one call, because it cancels per client. It need not ask the server what it takes: the store encodes its vectors itself. */
class OneCallClient extends ChromaClient {
  constructor(options: ChromaClientArgs) {
    super(options);
    this.preflightChecks = { max_batch_size: MAX_RECORDS, supports_base64_encoding: false };
  }
}

/** Chroma over the `chromadb` client, with a signal per call, limits, and errors that say what happened (ADR 12). */
export class ChromaApi {
  private readonly endpoint: Endpoint;
  private readonly dispatcher: Dispatcher;

  /** @param connections calls in flight; further ones wait. */
  constructor({ url, token }: ChromaEndpoint, connections: number) {
    this.endpoint = endpointOf(url, token === undefined ? {} : { authorization: `Bearer ${token}`, 'x-chroma-token': token });
    this.dispatcher = httpDispatcher({ connectTimeoutMs: 1_000, connections, maxAnswerBytes: MAX_ANSWER_BYTES });
  }

  /** Asks whether Chroma answers. @throws as {@link inCollection} does. */
  async heartbeat(signal: AbortSignal): Promise<void> {
    await this.call('heartbeat', signal, (client) => client.heartbeat());
  }

  /** One call on the records of a collection. @throws HttpFailure, UnusableAnswer, the error of undici, or the reason of `signal`. */
  async inCollection<T>(name: string, id: string, signal: AbortSignal, call: (collection: Collection) => Promise<T>): Promise<T> {
    return this.call(name, signal, (client) => call(client.collection(id)));
  }

  /**
   * A collection as Chroma describes it. Not through the client, which would import a module that the description names: any writer of
   * Chroma could have it run a file (ADR 12). @throws as {@link inCollection} does.
   */
  async describeCollection(name: string, signal: AbortSignal): Promise<unknown> {
    return requestJson(this.dispatcher, this.endpoint, { path: `${COLLECTIONS}/${name}`, signal });
  }

  /** Makes the collection if it is not there; several processes may do so at once. @returns its description. @throws as {@link inCollection} does. */
  async getOrCreateCollection(name: string, hnsw: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<unknown> {
    const body = { name, get_or_create: true, configuration: { hnsw }, metadata: null };
    return requestJson(this.dispatcher, this.endpoint, { path: COLLECTIONS, body, signal });
  }

  /** Closes the connections. Calls in flight fail. */
  close(): void {
    void this.dispatcher.destroy();
  }

  private async call<T>(name: string, signal: AbortSignal, run: (client: ChromaClient) => Promise<T>): Promise<T> {
    const seen: Seen = {};
    const ended = new AbortController();
    const { protocol, hostname, port, pathname } = new URL(this.endpoint.url);
    const isTls = protocol === 'https:';
    const fetchOptions: RequestInit & { dispatcher: Dispatcher } = {
      redirect: 'manual', // a redirect would carry the token elsewhere
      signal: AbortSignal.any([signal, ended.signal]),
      dispatcher: this.dispatcher.compose(under(pathname === '/' ? '' : pathname), noting(name, seen)),
    };
    try {
      const client = new OneCallClient({
        host: hostname,
        port: port === '' ? (isTls ? 443 : 80) : Number(port),
        ssl: isTls,
        headers: { ...this.endpoint.headers, 'accept-encoding': 'identity' },
        tenant: TENANT,
        database: DATABASE,
        fetchOptions,
      });
      return await run(client);
    } catch (error) {
      throw signal.aborted ? signal.reason : whatHappened(name, seen, error);
    } finally {
      ended.abort(OVER); // the client leaves some answers unread, which would hold their connections
    }
  }
}

function whatHappened(name: string, { status, retryAfterMs, error: failure }: Seen, error: unknown): unknown {
  if (failure !== undefined) return failure;
  if (status === undefined) return error;
  if (status < 200 || status > 299) return new HttpFailure(name, status, retryAfterMs, error instanceof Error ? error.message : '');
  return new UnusableAnswer(name, 'an answer that the client cannot read');
}

/** Puts the path of the endpoint in front: the client takes host and port only. */
const under =
  (prefix: string): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) =>
    dispatch({ ...options, path: prefix + options.path }, handler);

const noting =
  (name: string, seen: Seen): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) =>
    dispatch(
      options,
      passingOn(handler, {
        onResponseStart: (controller, status, headers, text) => {
          seen.status = status;
          seen.retryAfterMs = retryAfterMs(headers['retry-after']);
          // `fetch` would unpack it, and the limit of an answer holds for what comes over the wire.
          if (headers['content-encoding'] !== undefined) controller.abort(new UnusableAnswer(name, 'a compressed answer'));
          else handler.onResponseStart?.(controller, status, headers, text);
        },
        onResponseError: (controller, error) => {
          seen.error = error;
          handler.onResponseError?.(controller, error);
        },
      }),
    );
