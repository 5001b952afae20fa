import type { Channel } from 'amqplib';
import { z } from 'zod';
import type { QueueStatus } from '#lib/contracts/http';
import { EVENTS_EXCHANGE, pipeline, retiredQueues } from '#lib/contracts/pipeline';
import type { Logger } from '#lib/runtime/log/logger';
import { QueueStatusPort, type UnknownQueue } from '../../queue-status/queue-status.port.js';
import { deadLetterQueue, type PipelineRows } from '../../topology.js';
import { errorMessage } from '../../wire-message.js';
import { within } from '#lib/resilience/call/within';
import { openQuietChannel } from './channel.js';
import { connectionName, RabbitConnection } from './rabbit-connection.js';

/** Where queue status is asked. */
export interface RabbitQueueStatusOptions {
  readonly url: string;
  readonly app: string;
  readonly heartbeatS: number;
  readonly logger: Logger;
  /** Management API with user and password; without it `unacked` is not known (RABBITMQ_MANAGEMENT_URL). */
  readonly managementUrl?: string | undefined;
  readonly pipeline?: PipelineRows;
  /** Queues that earlier versions had. */
  readonly retired?: readonly string[];
}

/** What is known of one queue. */
interface Counts {
  readonly ready: number;
  readonly unacked: number | null;
  readonly consumers: number;
}

const Bindings = z.array(z.object({ destination: z.string(), destination_type: z.string(), routing_key: z.string() }));

const TIMEOUT_MS = 1_500;

const ManagedQueues = z.array(
  z.object({
    name: z.string(),
    // Missing while the broker has not counted yet.
    messages_ready: z.int().optional(),
    messages_unacknowledged: z.int().optional(),
    consumers: z.int().optional(),
  }),
);

/**
 * Asks RabbitMQ what waits in the queues: by passive declarations, which know everything but what is unacknowledged, and for that the
 * management API where one is given; it is a few seconds behind, and knows nothing yet of a queue that was just made.
 * Pauses and ages live in the consuming processes and their metrics: here they are unknown.
 */
export class RabbitQueueStatus extends QueueStatusPort {
  private readonly connection: RabbitConnection;
  private readonly rows: PipelineRows;
  private channel: Promise<Channel> | undefined;
  private hasFailed = false;

  constructor(private readonly options: RabbitQueueStatusOptions) {
    super();
    const { url, app, heartbeatS, logger } = options;
    this.rows = options.pipeline ?? pipeline;
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'watch'),
      heartbeatS,
      logger,
      onOpen: async () => undefined,
      onLost: () => (this.channel = undefined),
    });
  }

  async start(): Promise<void> {
    await this.connection.start();
  }

  async stop(): Promise<void> {
    await this.connection.stop();
  }

  async read(): Promise<QueueStatus[]> {
    const counts = await this.counts();
    return Object.keys(this.rows).map((name) => {
      const queue = counts.get(name);
      return {
        name,
        ready: queue?.ready ?? null,
        unacked: queue?.unacked ?? null,
        consumers: queue?.consumers ?? null,
        paused: null,
        oldestAgeSeconds: null,
        deadLetters: counts.get(deadLetterQueue(name))?.ready ?? null,
      };
    });
  }

  /**
   * The management API knows every binding. Without it, only queues of earlier versions can be asked for by name: those that are found are
   * told, and finding none says nothing.
   */
  override async unknownQueues(): Promise<UnknownQueue[] | null> {
    const { managementUrl } = this.options;
    try {
      if (managementUrl !== undefined) return await this.unknownBindings(managementUrl);
      const found = await this.retiredOnes();
      return found.length === 0 ? null : found;
    } catch {
      return null;
    }
  }

  /** Whether the broker answers now, over AMQP: a connection can look open long after the other side froze. Never rejects; takes at most 1.5 s. */
  async isAnswering(): Promise<boolean> {
    const { current } = this.connection;
    if (current === undefined) return false;
    const openAndClose = async () => {
      const channel = await openQuietChannel(current);
      await channel.close();
    };
    return within(TIMEOUT_MS, openAndClose()).catch(() => false);
  }

  /** Both ways at once: what passive declarations say is exact and wins, the rest is the management API's. */
  private async counts(): Promise<Map<string, Counts>> {
    const declared = new Map<string, Counts>();
    const managed = new Map<string, Counts>();
    const { managementUrl, logger } = this.options;
    const asked = await Promise.allSettled([
      within(
        TIMEOUT_MS,
        this.declarePassively(
          declared,
          Object.keys(this.rows).flatMap((queue) => [queue, deadLetterQueue(queue)]),
        ),
      ),
      managementUrl === undefined ? undefined : this.askManagement(managementUrl, managed),
    ]);
    const failed = asked.find((answer) => answer.status === 'rejected');
    // Once per outage: it is asked every few seconds, and the next answers fail for the same reason.
    if (failed !== undefined && !this.hasFailed) logger.warn({ error: errorMessage(failed.reason) }, 'cannot read the queues of RabbitMQ');
    this.hasFailed = failed !== undefined;
    for (const [name, known] of managed) managed.set(name, { ...known, ...declared.get(name), unacked: known.unacked });
    return new Map([...declared, ...managed]);
  }

  private async askManagement(managementUrl: string, counts: Map<string, Counts>): Promise<void> {
    const columns = 'columns=name,messages_ready,messages_unacknowledged,consumers';
    for (const queue of ManagedQueues.parse(await this.manage(managementUrl, (vhost) => `queues/${vhost}?${columns}`))) {
      if (queue.messages_ready === undefined || queue.consumers === undefined) continue;
      counts.set(queue.name, { ready: queue.messages_ready, unacked: queue.messages_unacknowledged ?? null, consumers: queue.consumers });
    }
  }

  /** @throws Error when it does not answer within 1.5 s, or with anything but 200. */
  private async manage(managementUrl: string, path: (vhost: string) => string): Promise<unknown> {
    const { href, authorization } = withoutLogin(managementUrl);
    const vhost = encodeURIComponent(decodeURIComponent(new URL(this.options.url).pathname.slice(1)) || '/');
    const answer = await fetch(`${href}/api/${path(vhost)}`, {
      headers: authorization === undefined ? {} : { authorization },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!answer.ok) throw new Error(`the management API answered ${answer.status}`);
    return answer.json();
  }

  private async unknownBindings(managementUrl: string): Promise<UnknownQueue[]> {
    const counts = new Map<string, Counts>();
    const [bindings] = await Promise.all([
      this.manage(managementUrl, (vhost) => `exchanges/${vhost}/${EVENTS_EXCHANGE}/bindings/source`),
      this.askManagement(managementUrl, counts),
    ]);
    const strangers = Bindings.parse(bindings).filter(
      ({ destination, destination_type: kind }) => kind === 'queue' && !Object.hasOwn(this.rows, destination),
    );
    return [...Map.groupBy(strangers, ({ destination }) => destination)].map(([name, bound]) => ({
      name,
      routingKeys: bound.map(({ routing_key: key }) => key).toSorted(),
      ready: counts.get(name)?.ready ?? null,
      consumers: counts.get(name)?.consumers ?? null,
    }));
  }

  private async retiredOnes(): Promise<UnknownQueue[]> {
    const names = (this.options.retired ?? retiredQueues).filter((name) => !Object.hasOwn(this.rows, name));
    const counts = new Map<string, Counts>();
    await within(TIMEOUT_MS, this.declarePassively(counts, names));
    return [...counts].map(([name, { ready, consumers }]) => ({ name, routingKeys: [], ready, consumers }));
  }

  /** Fills in what it learns as it goes: when time is up, what is known by then is the answer. */
  private async declarePassively(counts: Map<string, Counts>, names: readonly string[]): Promise<void> {
    for (const name of names) {
      try {
        const channel = await this.openChannel();
        const { messageCount, consumerCount } = await channel.checkQueue(name);
        counts.set(name, { ready: messageCount, unacked: null, consumers: consumerCount });
      } catch {
        // A queue that is not there closes the channel; the next question gets a new one.
        this.channel = undefined;
      }
    }
  }

  private openChannel(): Promise<Channel> {
    const { current } = this.connection;
    if (current === undefined) return Promise.reject(new Error('not connected'));
    this.channel ??= openQuietChannel(current);
    return this.channel;
  }
}

/** `fetch` refuses user and password in a URL; they become a header. */
const withoutLogin = (managementUrl: string): { href: string; authorization: string | undefined } => {
  const url = new URL(managementUrl);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const authorization = url.username === '' ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  url.username = '';
  url.password = '';
  return { href: url.href.replace(/\/+$/, ''), authorization };
};
