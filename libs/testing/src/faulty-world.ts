import { Client } from 'pg';
import { Redis } from 'ioredis';
import type { FaultProxy } from './fault-proxy.js';
import { type FaultyProxies, type FaultyServers, proxiesBefore, type Started, standInsBeside, through } from './faulty-servers.js';
import { type PrivateStack, type PrivateStackOptions, startPrivateStack } from '#lib/devstack/private-stack';
import { rowsOf } from './rows-of.js';
import { type RunningParley, startParley } from './running-parley.js';
import type { ScriptedFcm } from './scripted-fcm.js';

/** What can be taken away from a Parley in a {@link FaultyWorld}. */
export const faultyDependencies = [
  'postgres',
  'rabbitmq',
  'redis',
  'chroma',
  'embedder',
  'llm',
  'objectStore',
  'memory',
  'fcm',
  'collector',
  'webhook',
] as const;
export type FaultyDependency = (typeof faultyDependencies)[number];

/**
 * How it is taken away. `refused`: the port is closed. `slow`: an answer takes three times what Parley waits for.
 * `just in time`: it takes nearly as long as Parley waits, every time. `black hole`: connections stay
 * open and nothing comes through. `erroring`: it answers, that it cannot. `blocked`: RabbitMQ's memory alarm, which stops publishers.
 * The others are of one dependency each: see {@link FaultyWorld.takeAway}.
 */
export const outageModes = [
  'refused',
  'slow',
  'just in time',
  'black hole',
  'erroring',
  'blocked',
  'disk alarm',
  'locked table',
  'locked row',
  'no connections',
  'out of memory',
  'paused',
] as const;
export type OutageMode = (typeof outageModes)[number];

/** Added to each direction in mode `slow`, in milliseconds: three times the limit of a call that a caller waits for (docs/concepts/resilience.md). */
export const SLOW_MS: Readonly<Record<FaultyDependency, number>> = {
  postgres: 9_000,
  rabbitmq: 15_000,
  redis: 150,
  chroma: 6_000,
  embedder: 6_000,
  llm: 45_000,
  objectStore: 45_000,
  memory: 15_000,
  fcm: 15_000,
  collector: 15_000,
  webhook: 15_000,
};

/** Added to each direction of Redis in mode `just in time`: four fifths of the 50 ms that a limiter waits for it. */
export const JUST_IN_TIME_MS = 20;

/** Title of the conversations whose rows are locked in mode `locked row`. */
export const LOCKED_TITLE = 'its row is locked';

/** How long `CLIENT PAUSE` lasts in mode `paused`: Redis ends it by itself. */
const PAUSE_MS = 11_500;

/** What a {@link FaultyWorld} has that others have not. */
export interface FaultyWorldOptions extends Pick<PrivateStackOptions, 'progress'> {
  readonly env?: Readonly<Record<string, string>>;
  /** Two gateways, two realtime processes and two indexers; the second indexer has a proxy of its own before Chroma. */
  readonly twice?: boolean;
  /** Servers of the caller, which also ends them. Default: those of this world. */
  readonly stack?: PrivateStack;
  /** Spans go to a collector, as with OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly traces?: boolean;
}

/**
 * A Parley of its own whose every dependency can be taken away and given back: private servers, a fault proxy before each, and a model
 * behind HTTP. Tests look at the servers directly (`parley.databaseUrl` and so on), not through the proxies.
 */
export class FaultyWorld {
  private constructor(
    readonly parley: RunningParley,
    private readonly servers: FaultyServers,
    private readonly proxies: FaultyProxies,
    private readonly ownsStack: boolean,
  ) {}

  get stack(): PrivateStack {
    return this.servers.stack;
  }

  get fcm(): ScriptedFcm {
    return this.servers.fcm;
  }

  /** Alerts that the webhook took. */
  get posted(): { readonly count: number } {
    return this.servers.posted;
  }

  /** @throws when a server or a service does not come up; then nothing is left running. */
  static async start(options: FaultyWorldOptions = {}): Promise<FaultyWorld> {
    const undo: (() => Promise<void>)[] = [];
    const started: Started = (thing) => {
      undo.unshift(() => thing.stop());
      return thing;
    };
    try {
      const servers = await standInsBeside(options.stack ?? started(await startPrivateStack(options)), started);
      const proxies = await proxiesBefore(servers, options.twice === true, started);
      const { env, ...led } = through(proxies, servers, options.traces === true);
      const parley = started(await startParley({ ...led, env: { ...env, ...options.env } }));
      return new FaultyWorld(parley, servers, proxies, options.stack === undefined);
    } catch (error) {
      for (const one of undo) await one().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Takes a dependency away. `disk alarm` of RabbitMQ stops publishers as `blocked` does. Of Postgres: `locked table` is a migration without the
   * lock_timeout that it should have; `locked row` another session that holds conversations of {@link LOCKED_TITLE}; `no connections` an answer
   * to each new connection that there are too many. Of Redis: `out of memory` refuses what would store something; `paused` answers nothing.
   * @returns gives it back; resolves when it is there again. @throws for a mode that it does not have.
   */
  async takeAway(dependency: FaultyDependency, mode: OutageMode): Promise<() => Promise<void>> {
    const proxies = this.proxiesOf(dependency);
    const heal = async () => {
      await Promise.all(proxies.map((proxy) => proxy.heal()));
    };
    const only = (one: FaultyDependency) => {
      if (dependency !== one) throw new Error(`${dependency} does not have the mode ${mode}`);
    };
    switch (mode) {
      case 'refused':
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: 'refuse' })));
        await this.cut(dependency);
        return heal;
      case 'slow':
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: 'latency', ms: SLOW_MS[dependency] })));
        return heal;
      case 'just in time':
        only('redis');
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: 'latency', ms: JUST_IN_TIME_MS })));
        return heal;
      case 'black hole':
        await Promise.all(proxies.map((proxy) => proxy.set({ kind: 'hang' })));
        return heal;
      case 'erroring':
        return this.makeErr(dependency);
      case 'blocked':
        only('rabbitmq');
        await this.stack.rabbitmq.rabbitmqctl(['set_vm_memory_high_watermark', '0']);
        return async () => {
          await this.stack.rabbitmq.rabbitmqctl(['set_vm_memory_high_watermark', '0.4']);
        };
      case 'disk alarm':
        only('rabbitmq');
        await this.stack.rabbitmq.rabbitmqctl(['set_disk_free_limit', '1000GB']);
        return async () => {
          await this.stack.rabbitmq.rabbitmqctl(['set_disk_free_limit', '50MB']);
        };
      case 'locked table':
        only('postgres');
        return this.holding('lock table messages in access exclusive mode');
      case 'locked row':
        only('postgres');
        return this.holding(`select from conversations where title = '${LOCKED_TITLE}' for update`);
      case 'no connections': {
        only('postgres');
        const limit = (count: number) => this.asPostgresAdmin(`alter database ${this.databaseName} connection limit ${count}`);
        await limit(0);
        await this.terminateSessions();
        return () => limit(-1);
      }
      case 'out of memory': {
        only('redis');
        await this.redis('CONFIG', 'SET', 'maxmemory', '1mb');
        return () => this.redis('CONFIG', 'SET', 'maxmemory', '0');
      }
      case 'paused':
        only('redis');
        await this.pauseRedis(PAUSE_MS);
        return () => this.redis('PING'); // answered when the pause is over
      default:
        return mode satisfies never;
    }
  }

  /** Makes Chroma slow for the second indexer alone, so that what it writes lands late. @returns makes it good again. */
  async slowSecondIndexer(ms: number): Promise<() => Promise<void>> {
    const [, proxy] = this.proxies.chroma;
    if (proxy === undefined) throw new Error('this world has one indexer');
    await proxy.set({ kind: 'latency', ms });
    return () => proxy.heal();
  }

  /** `CLIENT PAUSE`: Redis takes commands and answers none for so long, not even the one that would end it. */
  async pauseRedis(ms: number): Promise<void> {
    await this.redis('CLIENT', 'PAUSE', String(ms), 'ALL');
  }

  /** Resets every connection between Parley and a dependency; new ones are let through. */
  async cut(dependency: FaultyDependency): Promise<void> {
    await Promise.all(this.proxiesOf(dependency).map((proxy) => proxy.set({ kind: 'reset' }, 'existing')));
  }

  /** Runs a statement on the server's own database, next to that of Parley, where no fault reaches it. */
  async asPostgresAdmin(statement: string): Promise<void> {
    await rowsOf(this.stack.databaseUrl, statement);
  }

  /** Ends every session in Parley's database, as an administrator or a failover would. */
  async terminateSessions(): Promise<void> {
    await this.asPostgresAdmin(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${this.databaseName}'`);
  }

  /** Ends Parley, the proxies and the servers. */
  async stop(): Promise<void> {
    await this.parley.stop();
    await Promise.all(faultyDependencies.flatMap((name) => this.proxiesOf(name)).map((proxy) => proxy.stop()));
    const { stack, model, llm, s3, memory, fcm, collector, webhook, broken } = this.servers;
    await Promise.all([model, llm, s3, memory, fcm, collector, webhook, broken].map((server) => server.stop()));
    if (this.ownsStack) await stack.stop();
  }

  private proxiesOf(dependency: FaultyDependency): readonly FaultProxy[] {
    const proxies: readonly (FaultProxy | undefined)[] = this.proxies[dependency];
    return proxies.filter((proxy) => proxy !== undefined);
  }

  /** A session of its own that runs a statement and holds the locks of it. @returns lets them go. */
  private async holding(statement: string): Promise<() => Promise<void>> {
    const client = new Client({ connectionString: this.parley.databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 20_000 });
    client.on('error', () => undefined); // the statement below already fails with it
    await client.connect();
    await client.query('begin');
    await client.query(statement);
    return async () => {
      await client.query('rollback').catch(() => undefined); // a session that was terminated holds no lock
      await client.end();
    };
  }

  private get databaseName(): string {
    return new URL(this.parley.databaseUrl).pathname.slice(1);
  }

  private async makeErr(dependency: FaultyDependency): Promise<() => Promise<void>> {
    switch (dependency) {
      case 'postgres': {
        // What a standby looks like that clients are still led to: it takes reads and refuses writes.
        const setReadOnly = async (how: string) => {
          await this.asPostgresAdmin(`alter database ${this.databaseName} ${how}`);
          await this.terminateSessions();
        };
        await setReadOnly('set default_transaction_read_only = on');
        return () => setReadOnly('reset default_transaction_read_only');
      }
      case 'rabbitmq': {
        await this.permitWrites(false);
        await this.cut('rabbitmq'); // RabbitMQ asks itself what a connection may do only now and then
        return () => this.permitWrites(true);
      }
      case 'redis': {
        await this.redis('REPLICAOF', '127.0.0.1', '1'); // READONLY
        return () => this.redis('REPLICAOF', 'NO', 'ONE');
      }
      case 'chroma':
      case 'embedder':
      case 'llm':
      case 'objectStore':
      case 'memory':
      case 'fcm':
      case 'collector':
      case 'webhook': {
        const redirect = (url: string) => {
          for (const proxy of this.proxiesOf(dependency)) proxy.redirect(url);
        };
        const { stack, model, llm, s3, memory, fcm, collector, webhook, broken } = this.servers;
        redirect(broken.url);
        const urls = {
          chroma: stack.chromaUrl,
          embedder: model.url,
          llm: llm.url,
          objectStore: s3.url,
          memory: memory.url,
          fcm: fcm.url,
          collector: collector.url,
          webhook: webhook.url,
        };
        return async () => redirect(urls[dependency]);
      }
      default:
        return dependency satisfies never;
    }
  }

  private async permitWrites(mayWrite: boolean): Promise<void> {
    const vhost = new URL(this.parley.rabbitmqUrl).pathname.slice(1);
    const { username } = new URL(this.stack.rabbitmqUrl);
    await this.stack.rabbitmq.rabbitmqctl(['set_permissions', '-p', vhost, username, '.*', mayWrite ? '.*' : '^$', '.*']);
  }

  private async redis(command: string, ...args: string[]): Promise<void> {
    const redis = new Redis(this.stack.redisUrl, { lazyConnect: true, connectTimeout: 5_000, commandTimeout: 5_000 });
    redis.on('error', () => undefined); // the command below already fails with it
    try {
      await redis.connect();
      await redis.call(command, ...args);
    } finally {
      redis.disconnect();
    }
  }
}
