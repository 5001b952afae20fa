import { hostname } from 'node:os';
import { type ChannelModel, connect, type SocketOptions } from 'amqplib';
import type { Logger } from '#lib/runtime/log/logger';
import { fullJitter } from '#lib/resilience/call/backoff';
import { OutageLog } from './outage-log.js';
import { errorMessage } from '../../wire-message.js';

/** What a connection needs. */
export interface RabbitConnectionSettings {
  readonly url: string;
  /** Shown in the management UI, see {@link connectionName}. */
  readonly name: string;
  readonly heartbeatS: number;
  readonly logger: Logger;
  /** Called with each new connection, before it counts as open. What it rejects with is logged; the connection is then tried anew. */
  readonly onOpen: (connection: ChannelModel) => Promise<void>;
  /** Called when an open connection is gone. Its channels are gone too. */
  readonly onLost?: () => void;
  /** The broker stops reading from us because of a memory or disk alarm, or reads again. */
  readonly onBlocked?: (isBlocked: boolean) => void;
}

// R073. From the TCP connection to the end of the AMQP handshake; a frozen broker accepts the first and never does the second.
const CONNECT_TIMEOUT_MS = 2_000;
// A broker's first start declares dozens of quorum queues, each of them a small election.
const OPEN_TIMEOUT_MS = 30_000;
// A connection that ends sooner has not proved that trying again at once is a good idea.
const PROVEN_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;
// Connected again well within the 20 s of law 3 also after a long outage; at 30 s one of ten minutes took 44 s to be over.
const BACKOFF = { baseMs: 100, capMs: 10_000 };

/** Of all connections of this process. */
const outage = new OutageLog('RabbitMQ');

const thisProcess = (app: string): string => `${app}@${hostname()}#${process.pid}`;

/** `parley-<app>@<host>#<pid> <purpose>`. */
export const connectionName = (
  app: string,
  purpose: 'publish' | 'consume' | 'watch' | 'request' | 'answer' | 'operate' | 'control',
): string => `parley-${thisProcess(app)} ${purpose}`;

/** `<app>@<host>#<pid> <queue>`: stands beside the queue in the management UI. */
export const consumerTag = (app: string, queue: string): string => `${thisProcess(app)} ${queue}`;

/**
 * Keeps one connection to RabbitMQ, for as long as it is started. One loop, so that there is never more than one connection:
 *
 *     stopped --start()--> connecting --onOpen done--> open --error, close, destroy()--> waiting (0.1 -> 30 s, full jitter) --> connecting
 *     any --stop()--> stopped
 *
 * It does not use amqplib's own recovery, which misses a close during set-up and restores neither channels nor consumers.
 */
export class RabbitConnection {
  private model: ChannelModel | undefined;
  /** Aborting it destroys the socket, in whatever state the conversation on it is. */
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

  /** Begins to connect. Resolves when the first try has come to its end, well or not. */
  async start(): Promise<void> {
    if (this.isWanted) return;
    this.isWanted = true;
    const { promise: tried, resolve } = Promise.withResolvers<void>();
    this.loop = this.keepConnected(resolve);
    await tried;
  }

  /** Closes the connection, by force when the broker does not answer. */
  async stop(): Promise<void> {
    this.isWanted = false;
    outage.forget(this.settings.name);
    this.wakeUp();
    const { model } = this;
    if (model === undefined) this.socketLife.abort(new Error('stopped while connecting'));
    else await this.close(model);
    await this.loop;
  }

  /** Ends the current connection at once, without a word to the broker; a new one follows. For when the broker does not answer. */
  destroy(reason: string): void {
    if (!this.isWanted) return; // it is being closed, and its channels with it
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
        failures = performance.now() - openedAt > PROVEN_MS ? 0 : failures + 1;
      } catch (error) {
        failures += 1;
        // One that is stopped while it connects has not failed.
        if (this.isWanted) outage.failed(this.settings.name, errorMessage(error), this.settings.logger);
      }
      afterFirstTry();
      if (this.isWanted) await this.pause(fullJitter(failures, BACKOFF));
    }
  }

  /** Connects and sets up. `ended` resolves at the end of this connection. */
  private async open(): Promise<{ ended: Promise<void> }> {
    const { name, logger, onOpen, onBlocked } = this.settings;
    const socketLife = new AbortController();
    this.socketLife = socketLife;
    const model = await orAbort(connect(this.address(), this.socketOptions()), CONNECT_TIMEOUT_MS, 'RabbitMQ handshake', socketLife);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    // Both listeners at once and before anything else: without them an error ends the process.
    model.on('error', (error) => logger.warn({ connection: name, error: error.message }, 'RabbitMQ connection failed'));
    model.on('close', () => {
      // amqplib only ends its side; a peer that is frozen would keep the socket for ever.
      socketLife.abort();
      end();
    });
    model.on('blocked', (reason) => {
      this.blocked = true;
      logger.warn({ connection: name, reason }, 'RabbitMQ blocks publishers');
      onBlocked?.(true);
    });
    model.on('unblocked', () => {
      this.blocked = false;
      logger.info({ connection: name }, 'RabbitMQ reads from publishers again');
      onBlocked?.(false);
    });
    // A close during set-up must not be missed, and what is being set up may wait for an answer that never comes.
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
    this.blocked = false;
    this.settings.onLost?.();
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
      // It was gone already or did not answer in time; either way the socket is destroyed.
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

/** Waits for `work`, and destroys the socket under it when that takes too long or fails. */
const orAbort = async <T>(work: Promise<T>, withinMs: number, what: string, socketLife: AbortController): Promise<T> => {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} took more than ${withinMs} ms`)), withinMs);
  try {
    return await Promise.race([work, tooLate]);
  } catch (error) {
    socketLife.abort(error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
};
