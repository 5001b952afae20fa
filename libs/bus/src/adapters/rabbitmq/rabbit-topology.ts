import type { Channel, ChannelModel } from 'amqplib';
import type { Logger } from '#lib/runtime/log/logger';
import type { QueuePlan, Topology } from '../../topology.js';
import { openQuietChannel, replyCode, replyCodeOf } from './channel.js';

/** The broker's exchange, queues or bindings differ from this version's. One line for each difference. */
export class TopologyDrift extends Error {
  /** @param isIncomplete something is only missing: the process that may declare it has not started yet. */
  constructor(
    readonly differences: readonly string[],
    readonly isIncomplete = false,
    /** Nothing of what is there is wrong. */
    readonly isOnlyIncomplete = false,
  ) {
    super(`RabbitMQ differs from what this version wants:\n${differences.map((difference) => `  - ${difference}`).join('\n')}`);
    this.name = 'TopologyDrift';
  }
}

// Only an operator can resolve a drift, by deleting a queue or a policy.
const RETRY_DRIFT_MS = 30_000;
const RETRY_SOON_MS = 1_000;
/** Processes that are started together declare what is theirs within this; longer than a start on a busy machine. */
const DECLARED_WITHIN_MS = 20_000;

/**
 * Declares a topology on each new connection, and again when something is missing. A drift is logged and tried again slowly; the process
 * keeps running on what is there, but is not ready. What is only missing is logged after 20 s: the processes that declare it are starting too.
 */
export class RabbitTopology {
  private found: TopologyDrift | undefined;
  private foundAt = 0;
  private isTold = false;
  private model: ChannelModel | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly topology: Topology,
    private readonly logger: Logger,
    /** Called after each complete declaration. */
    private readonly onDeclared: () => void = () => undefined,
  ) {}

  /** How the broker differs from the topology, as of the last declaration. */
  get drift(): TopologyDrift | undefined {
    return this.found;
  }

  /** Queues are missing that a process which starts beside this one declares: what is published now would not reach them. */
  get isStillComing(): boolean {
    return this.found?.isOnlyIncomplete === true && performance.now() - this.foundAt < DECLARED_WITHIN_MS;
  }

  /** Declares everything. Does not reject for a drift. @throws when the connection fails underneath. */
  async declare(model: ChannelModel): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.model = model;
    try {
      await assertTopology(model, this.topology);
      if (this.isTold) this.logger.info('RabbitMQ matches this version again');
      this.found = undefined;
      this.isTold = false;
      this.onDeclared();
    } catch (error) {
      if (!(error instanceof TopologyDrift)) throw error;
      if (this.found === undefined) this.foundAt = performance.now();
      this.found = error;
      if (!this.isTold && !this.isStillComing) {
        this.isTold = true;
        this.logger.error({ differences: error.differences }, error.message);
      }
      this.declareIn(error.isIncomplete ? RETRY_SOON_MS : RETRY_DRIFT_MS);
    }
  }

  /** Declares everything again in a second: a queue or exchange was missing. */
  declareSoon(): void {
    if (this.timer === undefined || this.found !== undefined) this.declareIn(RETRY_SOON_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.model = undefined;
  }

  private declareIn(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      const { model } = this;
      // A connection that fails meanwhile is replaced, and the new one declares everything.
      if (model !== undefined) this.declare(model).catch(() => undefined);
    }, ms);
    this.timer.unref();
  }
}

/**
 * Declares every exchange, queue and binding, all of them even when some are refused.
 * @throws TopologyDrift with what was refused and why; anything else when the connection failed.
 */
export const assertTopology = async (model: ChannelModel, { exchange, queues, bindings }: Topology): Promise<void> => {
  const session = new DeclaringSession(model);
  try {
    await session.declare(
      (channel) => channel.assertExchange(exchange, 'topic', { durable: true }),
      (channel) => channel.checkExchange(exchange),
    );
    for (const queue of queues)
      await session.declare(
        (channel) => assertQueue(channel, queue),
        (channel) => channel.checkQueue(queue.name),
      );
    for (const { queue, routingKey } of bindings) await session.declare((channel) => channel.bindQueue(queue, exchange, routingKey));
  } finally {
    await session.end();
  }
  if (session.differences.length > 0) {
    throw new TopologyDrift(session.differences, session.missing > 0, session.missing === session.differences.length);
  }
};

const assertQueue = (channel: Channel, { name, arguments: args }: QueuePlan) =>
  channel.assertQueue(name, { durable: true, arguments: args });

const REFUSALS: readonly unknown[] = [replyCode.preconditionFailed, replyCode.accessRefused, replyCode.notFound];

/** A channel of its own for declaring, replaced when a refusal closes it: publishing and consuming must not suffer from a refusal. */
class DeclaringSession {
  readonly differences: string[] = [];
  /** How many of them are only missing. */
  missing = 0;
  private channel: Channel | undefined;

  constructor(private readonly model: ChannelModel) {}

  /** @param check the passive declaration: all that a user without the permission to configure may do. */
  async declare(assert: (channel: Channel) => Promise<unknown>, check?: (channel: Channel) => Promise<unknown>): Promise<void> {
    try {
      await assert(await this.open());
    } catch (error) {
      this.channel = undefined;
      const code = replyCodeOf(error);
      if (code === replyCode.accessRefused && check !== undefined) return this.declare(check);
      if (!REFUSALS.includes(code)) throw error;
      if (code === replyCode.notFound) this.missing += 1;
      this.differences.push(readable(error));
    }
  }

  async end(): Promise<void> {
    await this.channel?.close().catch(() => undefined);
  }

  private async open(): Promise<Channel> {
    this.channel ??= await openQuietChannel(this.model);
    return this.channel;
  }
}

const INEQUIVALENT = /inequivalent arg '([^']+)' for (queue|exchange) '([^']+)'.*?: received (.+?) but current is ([^"]+)/;

/** `queue embedding.messages: x-max-length should be 1000, is 500`; other messages of the broker stay as they are. */
const readable = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  const [, argument, kind, name, wanted, present] = INEQUIVALENT.exec(message) ?? [];
  if (argument === undefined || wanted === undefined || present === undefined) return message;
  return `${kind} ${name}: ${argument} should be ${valueIn(wanted)}, is ${valueIn(present)}`;
};

/** The broker says `the value '5' of type 'signedint'`, `'true'` or `none`. */
const valueIn = (text: string): string => /'([^']*)'/.exec(text)?.[1] ?? (text.startsWith('none') ? 'absent' : text);
