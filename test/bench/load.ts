import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';

/** What one run of load gave. Latencies in milliseconds. */
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly okCount: number;
  /** Answers other than 2xx, by status; `0` = no answer. Must be empty for a figure to count. */
  readonly failures: Readonly<Record<string, number>>;
}

/** One message to post: each connection is a user of its own with a conversation of its own. */
export interface Sender {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Who posts what, where to, and for how long. */
interface JsonLoad {
  readonly baseUrl: string;
  readonly senders: readonly Sender[];
  readonly seconds: number;
  readonly perSecond?: number;
  /** The JSON of the next request of the sender at this place of the list. */
  readonly body: (place: number) => string;
}

/** The same with messages. */
export type Load = Omit<JsonLoad, 'body'> & { readonly content: () => string };

/** The figures of a run from its latencies in microseconds. */
export const loadResult = (
  latency: RecordableHistogram,
  { okCount, failures, seconds }: Pick<LoadResult, 'okCount' | 'failures'> & { readonly seconds: number },
): LoadResult => {
  const at = (percentile: number) => Math.round(latency.percentile(percentile) / 10) / 100;
  return { perSecond: okCount / seconds, p50Ms: at(50), p95Ms: at(95), p99Ms: at(99), p999Ms: at(99.9), okCount, failures };
};

/** Posts messages, see {@link postJson}. */
export const postMessages = ({ content, ...load }: Load): Promise<LoadResult> =>
  postJson({ ...load, body: () => JSON.stringify({ content: content() }) });

/** Posts over `senders.length` connections for `seconds`, as fast as answers come or at `perSecond` in all. */
export const postJson = async ({ baseUrl, senders, seconds, perSecond, body }: JsonLoad): Promise<LoadResult> => {
  const latency = createHistogram();
  const failures: Record<string, number> = {};
  let okCount = 0;
  let next = 0;
  const { promise, resolve, reject } = Promise.withResolvers<autocannon.Result>();
  const options: autocannon.Options = {
    url: baseUrl,
    connections: senders.length,
    duration: seconds,
    timeout: 20,
    ...(perSecond === undefined ? {} : { overallRate: perSecond }),
    setupClient: (client) => {
      const place = next++ % senders.length;
      const sender = senders[place];
      if (sender === undefined) return;
      const request = () => ({
        method: 'POST' as const,
        path: sender.path,
        headers: { ...sender.headers, 'content-type': 'application/json' },
        body: body(place),
      });
      client.setRequests([request()]);
      client.on('response', () => client.setRequests([request()]));
    },
  };
  const instance = autocannon(options, (error: Error | null, result) => (error === null ? resolve(result) : reject(error)));
  instance.on('response', (_client, statusCode, _bytes, responseTimeMs) => {
    if (statusCode >= 200 && statusCode < 300) {
      okCount += 1;
      latency.record(Math.max(1, Math.round(responseTimeMs * 1_000)));
    } else {
      failures[statusCode] = (failures[statusCode] ?? 0) + 1;
    }
  });
  const result = await promise;
  if (result.errors > 0) failures['0'] = result.errors;
  return loadResult(latency, { okCount, failures, seconds: result.duration });
};
