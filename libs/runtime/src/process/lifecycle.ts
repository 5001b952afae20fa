import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type RpcExceptionFilter,
} from '@nestjs/common';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import { LOGGER, type Logger } from '../log/logger.js';
import { withTimeLimit } from '../work/within.js';

/** What a part is, and so when it starts and stops. `background`: loops, samplers and pools that use connections. */
export type Phase = 'stores' | 'broker' | 'background' | 'intake';

/** Something that runs for as long as its process: a connection, a loop, a consumer. */
export interface LifecyclePart {
  /** As it stands in the log, e.g. `postgres`. */
  readonly name: string;
  readonly phase: Phase;
  /** Resolves also when what it needs is away. @throws ConfigError when no later try can work. */
  readonly start?: () => Promise<void> | void;
  /** Called once, also for a part that was never started. */
  readonly stop?: () => Promise<void> | void;
  /** How long `stop` is waited for; left out, 10 s. The drain time of the process ends everything anyway. */
  readonly stopWithinMs?: number;
}

/** A Nest transport that takes in events; `startApp` connects it, with its filters, and starts it when everything else runs. */
export interface LifecycleTransport {
  readonly name: string;
  readonly strategy: CustomTransportStrategy;
  readonly filters: readonly RpcExceptionFilter[];
  readonly stopWithinMs: number;
}

/** When a process takes HTTP requests: before everything else (they come from operators and probes only), or as its intake. */
export type Listens = 'first' | 'last';

/** Injection token of {@link Listens}. */
export const LISTENS = Symbol('Listens');

const STOP_WITHIN_MS = 10_000;

/**
 * Starts and stops the parts of a process. Each lib's module adds its parts; nothing else in Parley uses Nest's lifecycle hooks, because Nest
 * orders them by distance from the root module and not by dependency. Stop is start backwards:
 *
 *     listens first (all others)                            listens last (gateway)
 *       1  HTTP listens: /livez, /readyz, /metrics            1  stores, broker
 *       2  stores, broker   side by side                      2  background
 *       3  background       relay, periodic tasks             3  HTTP listens, then other intake
 *       4  intake           consumers, responders
 *     ------------------------------------------------------- SIGTERM: /readyz answers 503
 *       4  intake drains    handlers finish, then ack         3  other intake drains, HTTP answers finish
 *       3  background stops                                   2  background stops: the relay after the last answer
 *       2  broker flushes its confirms and closes, then       1  broker flushes and closes, then stores close
 *          stores close
 *       1  HTTP closes
 *
 * Inside a phase parts run side by side. A part that fails to stop, or takes too long, keeps no other from stopping.
 */
@Injectable()
export class Lifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  readonly transports: LifecycleTransport[] = [];
  private readonly parts: LifecyclePart[] = [];
  private readonly failed: string[] = [];
  private readonly stopped = new Set<LifecyclePart>();
  private starting: Promise<void> | undefined;

  constructor(
    @Inject(LISTENS) readonly listens: Listens,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Call it where the part is made. */
  add(part: LifecyclePart): void {
    this.parts.push(part);
  }

  /** Adds a transport as intake. */
  addTransport(transport: LifecycleTransport): void {
    const { name, strategy, stopWithinMs } = transport;
    this.transports.push(transport);
    this.add({ name, phase: 'intake', stopWithinMs, stop: async () => void (await strategy.close()) });
  }

  /** Starts what there is, once. Resolves when everything has begun. @throws what a part throws, e.g. ConfigError. */
  start(): Promise<void> {
    this.starting ??= this.startAll();
    return this.starting;
  }

  /** @throws Error when a part did not stop as it should. */
  assertStopped(): void {
    if (this.failed.length > 0) throw new Error(`did not stop in order: ${this.failed.join(', ')}`);
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.listens === 'last') await this.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.stopAll(['intake']);
    if (this.listens === 'first') await this.stopAll(['background', 'broker', 'stores']);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.stopAll(['background', 'broker', 'stores']);
  }

  private async startAll(): Promise<void> {
    for (const phases of [['stores', 'broker'], ['background'], ['intake']]) {
      await Promise.all(this.parts.filter(({ phase }) => phases.includes(phase)).map(async ({ start }) => start?.()));
    }
  }

  private async stopAll(phases: readonly Phase[]): Promise<void> {
    for (const phase of phases) {
      const parts = this.parts.filter((part) => part.phase === phase && !this.stopped.has(part));
      for (const part of parts) this.stopped.add(part);
      await Promise.all(parts.map((part) => this.stopOne(part)));
    }
  }

  private async stopOne({ name, stop, stopWithinMs = STOP_WITHIN_MS }: LifecyclePart): Promise<void> {
    const tooLate = () => {
      throw new Error(`not stopped within ${stopWithinMs} ms`);
    };
    try {
      await withTimeLimit(stopWithinMs, (async () => stop?.())(), tooLate);
    } catch (err) {
      this.failed.push(name);
      this.logger.error({ part: name, err }, 'a part of the process did not stop in order');
    }
  }
}
