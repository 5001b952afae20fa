import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import {
  CONTROL_EXCHANGE,
  CONTROL_REPLY_MAX_BYTES,
  type ControlAnswer,
  ControlMessage,
  ControlReply,
  type ControlQuestion,
  type ProcessName,
} from '#lib/contracts/control';
import type { Logger } from '#lib/runtime/log/logger';
import { answerOf, askSiblings } from '#lib/runtime/workers/sibling-workers';
import { answerFrom, combined, replyOf, siblingAnswers } from '../../control/control-answers.js';
import { type ControlAnswers, ControlChannelPort, type ProcessAnswer } from '../../control/control-channel.port.js';
import { nameOf, ProcessRoster } from '../../control/process-roster.js';
import { errorMessage } from '../../wire-message.js';
import { within } from '#lib/runtime/work/within';
import { DIRECT_REPLY_TO } from './channel.js';
import { connectionName, consumerTag, RabbitConnection } from './rabbit-connection.js';

/** What a control channel needs. */
export interface RabbitControlChannelOptions {
  readonly url: string;
  readonly app: string;
  readonly heartbeatS: number;
  readonly logger: Logger;
  /** Answers for this process; tests bring their own. */
  readonly answer?: (question: string) => unknown;
  /** Asks the processes behind the same port. */
  readonly siblings?: typeof askSiblings;
}

/** Longest wait for the answers of all processes, in milliseconds: operators, scrapes and health checks wait for it. */
const ANSWERS_WITHIN_MS = 1_000;
/** Questions in the queue of one process; a process further behind is silent anyway. */
const MAX_WAITING = 100;
/** Pending questions of this process: one of each kind, and some whose caller gave up. */
const MAX_OPEN = 20;
const LEAVE_WITHIN_MS = 1_000;

/** A question that waits for answers. */
interface PendingQuestion {
  readonly question: ControlQuestion;
  readonly answers: Map<string, ProcessAnswer<unknown>>;
  /** Whether RabbitMQ delivered the question back to this process, and so to the others too. */
  wasEchoed: boolean;
  /** Called with each answer. */
  onProgress: () => void;
}

/**
 * Asks over a fanout exchange and replies to the asking channel (direct reply-to). Each process has a queue of its own: exclusive, ended by
 * its connection, with a TTL for questions whose caller gave up.
 *
 *     asker --question--> parley.control ==fanout==> parley.control.<app>.<uuid> of every process, the asker's included
 *     asker <--answer---- amq.rabbitmq.reply-to <--- every process
 */
export class RabbitControlChannel extends ControlChannelPort {
  private readonly self: ProcessName;
  private readonly connection: RabbitConnection;
  private readonly roster = new ProcessRoster();
  private readonly pending = new Map<string, PendingQuestion>();
  private readonly shared = new Map<ControlQuestion, Promise<ControlAnswers<unknown>>>();
  private channel: Channel | undefined;
  /** False until the first question on a connection was answered: it waits for its whole time limit, as the roster is incomplete. */
  private isRosterComplete = false;

  constructor(private readonly options: RabbitControlChannelOptions) {
    super();
    const { url, app, heartbeatS, logger } = options;
    this.self = { app, host: hostname(), pid: process.pid };
    this.connection = new RabbitConnection({
      url,
      name: connectionName(app, 'control'),
      heartbeatS,
      logger,
      onOpen: (model) => this.openChannel(model),
      onLost: () => (this.channel = undefined),
    });
  }

  /** Starts to connect. Resolves after the first try. */
  async start(): Promise<void> {
    await this.connection.start();
  }

  /** Leaves, so that no process waits for this one. */
  async stop(): Promise<void> {
    const { channel } = this;
    this.send({ kind: 'leaving', from: this.self }, {});
    this.channel = undefined;
    // Closing the connection would overtake the message: amqplib writes the close past the channels' buffers.
    if (channel !== undefined) await within(LEAVE_WITHIN_MS, channel.close()).catch(() => undefined);
    await this.connection.stop();
  }

  ask<Q extends ControlQuestion>(question: Q): Promise<ControlAnswers<ControlAnswer<Q>>> {
    const running = this.shared.get(question);
    const pending = running ?? this.askAll(question).finally(() => this.shared.delete(question));
    this.shared.set(question, pending);
    return pending as Promise<ControlAnswers<ControlAnswer<Q>>>;
  }

  private async askAll(question: ControlQuestion): Promise<ControlAnswers<unknown>> {
    const { siblings = askSiblings } = this.options;
    const [near, far] = await Promise.all([siblingAnswers(siblings, question, this.self), this.askOthers(question)]);
    return combined(near, far);
  }

  private async askOthers(question: ControlQuestion): Promise<ControlAnswers<unknown>> {
    this.roster.prune();
    const id = randomUUID();
    const { promise: complete, resolve } = Promise.withResolvers<void>();
    const pending: PendingQuestion = { question, answers: new Map(), wasEchoed: false, onProgress: () => undefined };
    pending.onProgress = () => {
      const isComplete = this.roster.all().every((process) => pending.answers.has(nameOf(process)));
      if (this.isRosterComplete && pending.wasEchoed && isComplete) resolve();
    };
    const isSent =
      this.pending.size < MAX_OPEN &&
      this.send(
        { kind: 'question', from: this.self, question },
        { replyTo: DIRECT_REPLY_TO, correlationId: id, expiration: ANSWERS_WITHIN_MS },
      );
    if (!isSent) return { processes: this.silentProcesses(pending, 'unreachable'), others: 'unreachable' };
    this.pending.set(id, pending);
    const timer = setTimeout(resolve, ANSWERS_WITHIN_MS);
    await complete;
    clearTimeout(timer);
    this.pending.delete(id);
    if (!pending.wasEchoed) return { processes: this.silentProcesses(pending, 'unreachable'), others: 'unreachable' };
    this.isRosterComplete = true;
    for (const process of this.roster.all()) if (!pending.answers.has(nameOf(process)) && this.isGone(process)) this.roster.remove(process);
    return { processes: [...pending.answers.values(), ...this.silentProcesses(pending, 'no-answer')], others: 'asked' };
  }

  private silentProcesses({ answers }: PendingQuestion, reason: 'no-answer' | 'unreachable'): ProcessAnswer<unknown>[] {
    return this.roster
      .all()
      .filter((process) => !answers.has(nameOf(process)))
      .map((process) => ({ ...process, silent: true, reason }));
  }

  /** Whether a silent process of this host is dead. */
  private isGone({ host, pid }: ProcessName): boolean {
    if (host !== this.self.host) return false;
    try {
      process.kill(pid, 0);
      return false;
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'ESRCH';
    }
  }

  /** Publishes without waiting for a broker that blocks publishers. @returns whether the connection took it. */
  private send(message: ControlMessage, properties: { replyTo?: string; correlationId?: string; expiration?: number }): boolean {
    const { channel } = this;
    if (channel === undefined || this.connection.isBlocked) return false;
    try {
      channel.publish(CONTROL_EXCHANGE, '', Buffer.from(JSON.stringify(message)), { ...properties, contentType: 'application/json' });
      return true;
    } catch {
      return false; // the channel is closing, its connection will be replaced
    }
  }

  private async openChannel(model: ChannelModel): Promise<void> {
    const { logger, app } = this.options;
    const channel = await model.createChannel();
    channel.on('error', (error) => logger.warn({ error: error.message }, 'control channel failed'));
    channel.on('close', () => {
      if (this.channel !== channel) return;
      this.channel = undefined;
      if (this.connection.current === model) this.connection.destroy('control channel closed');
    });
    await channel.assertExchange(CONTROL_EXCHANGE, 'fanout', { durable: true });
    const { queue } = await channel.assertQueue(`${CONTROL_EXCHANGE}.${app}.${randomUUID()}`, {
      exclusive: true,
      autoDelete: true,
      durable: false,
      messageTtl: ANSWERS_WITHIN_MS,
      maxLength: MAX_WAITING,
    });
    await channel.bindQueue(queue, CONTROL_EXCHANGE, '');
    await channel.consume(DIRECT_REPLY_TO, (message) => this.onReply(message), { noAck: true });
    await channel.consume(queue, (message) => this.onMessage(channel, message), {
      noAck: true,
      consumerTag: consumerTag(app, CONTROL_EXCHANGE),
    });
    this.channel = channel;
    this.isRosterComplete = false;
    // Introduces this process to the others, and them to it.
    void this.ask('presence');
  }

  private onMessage(channel: Channel, message: ConsumeMessage | null): void {
    if (message === null) return this.connection.destroy('the broker cancelled the control channel');
    const parsed = ControlMessage.safeParse(jsonOf(message));
    if (!parsed.success) return; // of a later version, or not ours
    const { kind, from } = parsed.data;
    const isOurs = nameOf(from) === nameOf(this.self);
    if (kind === 'leaving') return isOurs ? undefined : this.roster.remove(from);
    const correlationId = String(message.properties.correlationId);
    if (isOurs) return this.onEcho(correlationId);
    this.roster.note(from);
    void this.reply(channel, parsed.data.question, { replyTo: String(message.properties.replyTo), correlationId });
  }

  private onEcho(correlationId: string): void {
    const pending = this.pending.get(correlationId);
    if (pending === undefined) return;
    pending.wasEchoed = true;
    pending.onProgress();
  }

  private async reply(
    channel: Channel,
    question: string,
    { replyTo, correlationId }: { replyTo: string; correlationId: string },
  ): Promise<void> {
    const { answer = answerOf, logger } = this.options;
    const reply = await replyOf(this.self, question, answer);
    try {
      channel.publish('', replyTo, reply, { correlationId, contentType: 'application/json' });
    } catch (error) {
      logger.debug({ question, error: errorMessage(error) }, 'a control question was not answered');
    }
  }

  private onReply(message: ConsumeMessage | null): void {
    const pending = this.pending.get(String(message?.properties.correlationId));
    if (message === null || pending === undefined) return; // too late
    const parsed = message.content.length > CONTROL_REPLY_MAX_BYTES ? undefined : ControlReply.safeParse(jsonOf(message)).data;
    if (parsed === undefined) return;
    this.roster.note(parsed.from);
    pending.answers.set(nameOf(parsed.from), answerFrom(pending.question, parsed));
    pending.onProgress();
  }
}

/** The parsed content; undefined when it is not JSON. */
const jsonOf = ({ content }: ConsumeMessage): unknown => {
  try {
    return JSON.parse(content.toString());
  } catch {
    return undefined;
  }
};
