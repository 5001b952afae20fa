import { lookup } from 'node:dns/promises';
import type { Dispatcher } from 'undici';
import { httpDispatcher } from '#lib/resilience/adapters/http/http-dispatcher';
import { endpointOf, HttpFailure, requestText } from '#lib/resilience/adapters/http/json-request';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { errorCode } from '#lib/runtime/log/error-code';
import { withTimeLimit } from '#lib/runtime/work/within';
import { parseMetrics } from '../parse-metrics.js';
import { type FailedScrape, type ProcessScrape, ScrapePort, type ScrapeRound, serviceOf } from '../scrape.port.js';

/** A process that does not tell its numbers within this, in milliseconds, is too busy or away: both are worth knowing. */
const ANSWER_WITHIN_MS = 2_000;
const MOST_BYTES = 5_000_000;
const AT_ONCE = 16;
/** Addresses of one round: more processes are watched by Prometheus, not by this. */
const MOST_TARGETS = 500;

const DNS = 'dns+';

type Outcome = { readonly process: ProcessScrape } | { readonly failed: FailedScrape };

/** One URL to ask, and whether it was found behind a name. */
interface Found {
  readonly url: string;
  readonly isAddress: boolean;
}

/**
 * Asks `/metrics` of processes over HTTP. A URL that begins with `dns+` is looked up at each round and means every address behind its name:
 * the pods behind a headless Service.
 */
export class HttpScrape extends ScrapePort {
  private readonly dispatcher: Dispatcher = httpDispatcher({
    connectTimeoutMs: ANSWER_WITHIN_MS,
    connections: 1,
    maxAnswerBytes: MOST_BYTES,
  });
  private readonly places = new Semaphore(undefined, { concurrent: AT_ONCE, queued: MOST_TARGETS });

  /** @param kept names of the samples to give; left out: all. @param resolve all addresses of a host; only tests give another one. */
  constructor(
    private readonly targets: readonly string[],
    private readonly kept?: ReadonlySet<string>,
    private readonly resolve: (host: string) => Promise<readonly string[]> = addressesOf,
  ) {
    super();
  }

  async round(signal: AbortSignal): Promise<ScrapeRound> {
    const at = Date.now();
    const found = await Promise.all(this.targets.map((target) => this.urlsOf(target)));
    const known = found.flatMap((each) => (Array.isArray(each) ? each : [])).slice(0, MOST_TARGETS);
    const unresolved = found.flatMap((each) => (Array.isArray(each) ? [] : [each]));
    const outcomes = await Promise.all(known.map((each) => this.places.run(() => this.ask(each, signal))));
    signal.throwIfAborted();
    return {
      at,
      processes: outcomes.flatMap((each) => ('process' in each ? [each.process] : [])),
      failed: [...unresolved, ...outcomes.flatMap((each) => ('failed' in each ? [each.failed] : []))],
    };
  }

  /** Ends its connections. */
  close(): Promise<void> {
    return this.dispatcher.destroy();
  }

  private async urlsOf(target: string): Promise<Found[] | FailedScrape> {
    if (!target.startsWith(DNS)) return [{ url: target, isAddress: false }];
    const url = new URL(target.slice(DNS.length));
    try {
      const addresses = await withTimeLimit(ANSWER_WITHIN_MS, this.resolve(url.hostname), () => {
        throw Object.assign(new Error('the name was not looked up in time'), { code: 'ETIMEDOUT' });
      });
      return [...addresses].toSorted().map((address) => ({ url: withHost(url, address), isAddress: true }));
    } catch (error) {
      return { target: shown(target), code: errorCode(error) };
    }
  }

  private async ask({ url, isAddress }: Found, signal: AbortSignal): Promise<Outcome> {
    const { origin, pathname, search } = new URL(url);
    const endpoint = { ...endpointOf(url), url: origin };
    try {
      const text = await requestText(this.dispatcher, endpoint, {
        path: pathname + search,
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
      });
      const { samples } = parseMetrics(text, this.kept);
      return { process: { target: shown(url), service: serviceOf(samples), samples } };
    } catch (error) {
      const code = error instanceof HttpFailure ? `HTTP_${error.status}` : errorCode(error);
      return { failed: { target: shown(url), code, ...(isAddress ? { isAddress } : {}) } };
    }
  }
}

async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function withHost(url: URL, address: string): string {
  const copy = new URL(url);
  copy.hostname = address.includes(':') ? `[${address}]` : address;
  return copy.href;
}

/** The address as it may be shown: without user and password. */
function shown(target: string): string {
  const url = new URL(target);
  url.username = '';
  url.password = '';
  return url.href;
}
