import type { Channel } from 'amqplib';
import { z } from 'zod';
import type { QueueStatus } from '#lib/contracts/http';
import { EVENTS_EXCHANGE, pipeline, retiredQueues } from '#lib/contracts/pipeline';
import type { Logger } from '#lib/runtime/log/logger';
import { type QueueCounts, QueueStatusPort, statusOf, type UnknownQueue } from '../../queue-status/queue-status.port.js';
import { deadLetterQueue, type PipelineRows } from '../../topology.js';
import { errorMessage } from '../../wire-message.js';
import { within } from '#lib/runtime/work/within';
import { openQuietChannel } from './channel.js';
import { connectionName, RabbitConnection } from './rabbit-connection.js';

/** What reading the state of the queues needs. */
export interface RabbitQueueStatusOptions {
  readonly url: string;
  readonly app: string;
  readonly heartbeatS: number;
  readonly logger: Logger;
  /** Management API with user and password; without it `unacked` is unknown (RABBITMQ_MANAGEMENT_URL). */
  readonly managementUrl?: string | undefined;
  readonly pipeline?: PipelineRows;
  /** Queues of earlier versions. */
  readonly retired?: readonly string[];
}

const Bindings = z.array(z.object({ destination: z.string(), destination_type: z.string(), routing_key: z.string() }));

const TIMEOUT_MS = 1_500;

const ManagedQueues = z.array(
  z.object({
    name: z.string(),
    // Missing until the broker's first count.
    messages_ready: z.int().optional(),
    messages_unacknowledged: z.int().optional(),
    consumers: z.int().optional(),
  }),
);

/**
 * Reads the state of the queues of RabbitMQ: by passive declarations, which know everything but the unacknowledged messages, and for those by
 * the management API where there is one; it lags a few seconds and does not know a queue just declared.
 */
export class RabbitQueueStatus extends QueueStatusPort {
  private readonly connection: RabbitConnection;
  private readonly rows: PipelineRows;
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
    return Object.keys(this.rows).map((name) => statusOf(name, counts.get(name), counts.get(deadLetterQueue(name))?.ready ?? null));
  }

  /**
   * The management API knows every binding. Without it only queues of earlier versions are looked up by name; when there is none, the answer
   * stays unknown.
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

  /** Whether the broker answers over AMQP: a connection stays open long after a broker froze. Never rejects; takes at most 1.5 s. */
  async isAnswering(): Promise<boolean> {
    const { current } = this.connection;
    if (current === undefined) return false;
    const openAndClose = async () => {
      const channel = await openQuietChannel(current);
      await channel.close();
    };
    return within(TIMEOUT_MS, openAndClose()).catch(() => false);
  }

  /** Asks both ways at once: passive declarations are exact and win; the rest comes from the management API. */
  private async counts(): Promise<Map<string, QueueCounts>> {
    const declared = new Map<string, QueueCounts>();
    const managed = new Map<string, QueueCounts>();
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
    // Once per outage: the next reads, every few seconds, fail for the same reason.
    if (failed !== undefined && !this.hasFailed) logger.warn({ error: errorMessage(failed.reason) }, 'cannot read the queues of RabbitMQ');
    this.hasFailed = failed !== undefined;
    for (const [name, known] of managed) managed.set(name, { ...known, ...declared.get(name), unacked: known.unacked });
    return new Map([...declared, ...managed]);
  }

  private async askManagement(managementUrl: string, counts: Map<string, QueueCounts>): Promise<void> {
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
    const counts = new Map<string, QueueCounts>();
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
    const counts = new Map<string, QueueCounts>();
    await within(TIMEOUT_MS, this.declarePassively(counts, names));
    return [...counts].map(([name, { ready, consumers }]) => ({ name, routingKeys: [], ready, consumers }));
  }

  /**
   * Fills in counts one by one: when time is up, those known by then are the answer. A missing queue closes the channel, and with it what others
   * ask on it: each call has channels of its own.
   */
  private async declarePassively(counts: Map<string, QueueCounts>, names: readonly string[]): Promise<void> {
    const { current } = this.connection;
    if (current === undefined) return;
    let channel: Channel | undefined;
    for (const name of names) {
      try {
        channel ??= await openQuietChannel(current);
        const { messageCount, consumerCount } = await channel.checkQueue(name);
        counts.set(name, { ready: messageCount, unacked: null, consumers: consumerCount });
      } catch {
        channel = undefined;
      }
    }
    await channel?.close().catch(() => undefined);
  }
}

/** Moves user and password from the URL into a header, as `fetch` wants it. */
const withoutLogin = (managementUrl: string): { href: string; authorization: string | undefined } => {
  const url = new URL(managementUrl);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const authorization = url.username === '' ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  url.username = '';
  url.password = '';
  return { href: url.href.replace(/\/+$/, ''), authorization };
};
