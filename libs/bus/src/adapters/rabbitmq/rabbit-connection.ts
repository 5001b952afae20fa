import { hostname } from 'node:os';
import { type ChannelModel, connect, type SocketOptions } from 'amqplib';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { processName } from '#lib/runtime/process/process-name';
import { nameOf } from '../../control/process-roster.js';
import { fullJitter } from '#lib/runtime/work/backoff';
import { within, withTimeLimit } from '#lib/runtime/work/within';
import { OutageLog } from './outage-log.js';
import { errorMessage } from '../../wire-message.js';

/** What a connection needs. */
export interface RabbitConnectionSettings {
  readonly url: string;
  /** Shown in the management UI, see {@link connectionName}. */
  readonly name: string;
  readonly heartbeatS: number;
  readonly logger: Logger;
  /** Called with each new connection before it counts as open. A rejection is logged, and the connection is made anew. */
  readonly onOpen: (connection: ChannelModel) => Promise<void>;
  /** Called when an open connection ends, and its channels with it. */
  readonly onLost?: () => void;
  /** Called when the broker blocks publishers because of a memory or disk alarm, and when it unblocks them. */
  readonly onBlocked?: (isBlocked: boolean) => void;
}

// R073. Covers TCP connect and AMQP handshake: a frozen broker accepts the connection and never answers.
const CONNECT_TIMEOUT_MS = 2_000;
// A broker's first start declares dozens of quorum queues, each of them a small election.
const OPEN_TIMEOUT_MS = 30_000;
// Longer connections reset the backoff.
const STABLE_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;
// Reconnects within the 20 s of law 3 after a long outage too; with 30 s a ten-minute outage took 44 s to end.
const BACKOFF = { baseMs: 100, capMs: 10_000 };

/** Connections of this process that the broker reads nothing from. */
const blocked = new Set<RabbitConnection>();

/** Shared by all connections of this process. */
const outage = new OutageLog('RabbitMQ');

/** `parley-<app>@<host>#<pid> <purpose>`. */
export const connectionName = (
  app: string,
  purpose: 'publish' | 'consume' | 'watch' | 'request' | 'answer' | 'operate' | 'control',
): string => `${processName(app)} ${purpose}`;

/** `<app>@<host>#<pid> <queue>`: stands beside the queue in the management UI. */
export const consumerTag = (app: string, queue: string): string => `${nameOf({ app, host: hostname(), pid: process.pid })} ${queue}`;

/**
 * Keeps one connection to RabbitMQ while it is started. One loop makes at most one connection at a time:
 *
 *     stopped --start()--> connecting --onOpen done--> open --error, close, destroy()--> waiting (0.1 -> 10 s, full jitter) --> connecting
 *     any --stop()--> stopped
 *
 * Replaces amqplib's own recovery, which misses a close during set-up and restores neither channels nor consumers.
 */
export class RabbitConnection {
  private model: ChannelModel | undefined;
  /** Aborting it destroys the socket in any state. */
  private socketLife = new AbortController();
  private isWanted = false;
  private wakeUp: () => void = () => undefined;
  private loop: Promise<void> = Promise.resolve();
  private blocked = false;

  constructor(private readonly settings: RabbitConnectionSettings) {}

  /** The open connection, or undefined. */
  get current(): ChannelModel | undefined {
    return this.model;
  }

  get isBlocked(): boolean {
    return this.blocked;
  }

  /** Starts to connect. Resolves after the first try, successful or not. */
  async start(): Promise<void> {
    if (this.isWanted) return;
    this.isWanted = true;
    const { promise: tried, resolve } = Promise.withResolvers<void>();
    this.loop = this.keepConnected(resolve);
    await tried;
  }

  /** Closes the connection; destroys the socket when the broker does not answer. */
  async stop(): Promise<void> {
    this.isWanted = false;
    outage.forget(this.settings.name);
    this.wakeUp();
    const { model } = this;
    if (model === undefined) this.socketLife.abort(new Error('stopped while connecting'));
    else await this.close(model);
    await within(CLOSE_TIMEOUT_MS, this.loop);
  }

  /** Destroys the current connection, for a broker that does not answer; a new one follows. */
  destroy(reason: string): void {
    if (!this.isWanted) return; // already closing, with its channels
    this.settings.logger.warn({ connection: this.settings.name, reason }, 'giving up a RabbitMQ connection');
    this.socketLife.abort(new Error(reason));
  }

  private async keepConnected(afterFirstTry: () => void): Promise<void> {
    for (let failures = 0; this.isWanted; ) {
      try {
        const { ended } = await this.open();
        const openedAt = performance.now();
        afterFirstTry();
        await ended;
        failures = performance.now() - openedAt > STABLE_MS ? 0 : failures + 1;
      } catch (error) {
        failures += 1;
        // A connect that was stopped has not failed.
        if (this.isWanted) outage.failed(this.settings.name, errorMessage(error), this.settings.logger);
      }
      afterFirstTry();
      if (this.isWanted) await this.pause(fullJitter(failures, BACKOFF));
    }
  }

  /** Connects and sets up. `ended` resolves when the connection ends. */
  private async open(): Promise<{ ended: Promise<void> }> {
    const { name, logger, onOpen, onBlocked } = this.settings;
    const socketLife = new AbortController();
    this.socketLife = socketLife;
    const model = await orAbort(connect(this.address(), this.socketOptions()), CONNECT_TIMEOUT_MS, 'RabbitMQ handshake', socketLife);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    // Before anything else: without an error listener an error ends the process.
    model.on('error', (error) => logger.warn({ connection: name, error: error.message }, 'RabbitMQ connection failed'));
    model.on('close', () => {
      // amqplib ends only its own side: a frozen peer would keep the socket for ever.
      socketLife.abort();
      end();
    });
    model.on('blocked', (reason) => {
      this.setBlocked(true);
      logger.warn({ connection: name, reason }, 'RabbitMQ blocks publishers');
      onBlocked?.(true);
    });
    model.on('unblocked', () => {
      this.setBlocked(false);
      logger.info({ connection: name }, 'RabbitMQ reads from publishers again');
      onBlocked?.(false);
    });
    // Catches a close during set-up, which may itself wait for a reply that never comes.
    const closedEarly = ended.then(() => Promise.reject(new Error('closed while setting up')));
    closedEarly.catch(() => undefined);
    await orAbort(Promise.race([onOpen(model), closedEarly]), OPEN_TIMEOUT_MS, 'RabbitMQ set-up', socketLife);
    this.model = model;
    outage.ended(name, logger);
    logger.info({ connection: name, version: model.connection.serverProperties.version }, 'connected to RabbitMQ');
    return { ended: this.afterEnd(ended) };
  }

  private async afterEnd(ended: Promise<void>): Promise<void> {
    await ended;
    this.model = undefined;
    this.setBlocked(false);
    this.settings.onLost?.();
  }

  private setBlocked(isBlocked: boolean): void {
    this.blocked = isBlocked;
    if (isBlocked) blocked.add(this);
    else blocked.delete(this);
    metrics.amqpConnectionBlocked.set(blocked.size > 0 ? 1 : 0);
  }

  private address(): string {
    const url = new URL(this.settings.url);
    url.searchParams.set('heartbeat', String(this.settings.heartbeatS));
    return url.href;
  }

  private socketOptions(): SocketOptions & { signal: AbortSignal } {
    return {
      clientProperties: { connection_name: this.settings.name },
      // Nagle's algorithm would add 40 ms to each confirm.
      noDelay: true,
      keepAlive: true,
      timeout: CONNECT_TIMEOUT_MS,
      signal: this.socketLife.signal,
    };
  }

  private async close(model: ChannelModel): Promise<void> {
    try {
      await orAbort(model.close(), CLOSE_TIMEOUT_MS, 'closing the RabbitMQ connection', this.socketLife);
    } catch {
      // Closed already or no reply in time; the socket is destroyed either way.
    }
    this.socketLife.abort();
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Waits for `work`; destroys its socket when it fails or takes too long. */
const orAbort = async <T>(work: Promise<T>, withinMs: number, what: string, socketLife: AbortController): Promise<T> => {
  const tooLate = () => {
    throw new Error(`${what} took more than ${withinMs} ms`);
  };
  try {
    return await withTimeLimit(withinMs, work, tooLate);
  } catch (error) {
    socketLife.abort(error);
    throw error;
  }
};
