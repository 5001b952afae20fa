import type { ConsumerState } from '#lib/contracts/control';
import type { ParleyEvent } from '#lib/contracts/events';
import { type PipelineRow, RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import { withoutDeadline } from '#lib/resilience/call/deadline';
import { runInContext } from '#lib/runtime/log/context';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { middleware } from './run/middleware.js';
import { reportConsumer } from './consumer-reports.js';
import { decide, MAX_UNKNOWN, outageOf } from './settle/decide.js';
import { decode } from './run/decode.js';
import type { Delivery } from './delivery.js';
import { bisectBatch, type Verdict } from './run/bisect-batch.js';
import type { InboxPort } from './run/inbox.port.js';
import { CrashLoop, Interrupted, NotKnownYet, Postpone, Reject } from '../outcome.js';
import { type BreakerView, Pause, type PauseState } from './pause.js';
import type { PublisherPort } from '../publish/publisher.port.js';
import type { DeliverySourcePort } from './delivery-source.port.js';
import type { Received } from './buffer/received.js';
import type { BatchHandler, Run } from './run/layer.js';
import { type Account, type DeadLetterListener, Settlement } from './settle/settle.js';
import { PoisonDetector } from './buffer/poison-detector.js';
import { MAX_RETURNS } from '../topology.js';
import { RedeliveryTracker } from './buffer/redelivery-tracker.js';
import { DeliveryBuffer } from './buffer/delivery-buffer.js';
import { attemptOf, countHeader, errorMessage, header } from '../wire-message.js';
import { within } from '#lib/resilience/call/within';

/** What a consumer of one queue is made of. */
export interface ConsumerSettings {
  readonly queue: string;
  readonly row: PipelineRow;
  readonly source: DeliverySourcePort;
  readonly handler: BatchHandler;
  readonly publisher: PublisherPort;
  readonly breakers: BreakerView;
  readonly logger: Logger;
  /** Needed when the row says `deduplicate`. */
  readonly inbox?: InboxPort | undefined;
  readonly onDeadLetter?: DeadLetterListener | undefined;
  readonly timing?: Partial<ConsumerTiming>;
}

/** Times that only tests change, in milliseconds. */
export interface ConsumerTiming {
  /** Waits of the retry tiers, as the queues were declared with. */
  readonly retryDelaysMs: readonly number[] | undefined;
  /** Wait before a probe when an outage was met that no breaker noticed. */
  readonly outageBackoff: { readonly baseMs: number; readonly capMs: number } | undefined;
  /**
   * How long a delivery is held in an outage before it goes round through the longest retry tier, which is no attempt. RabbitMQ closes
   * the channel of whoever keeps one for 30 minutes, and giving it back plainly would count towards `x-delivery-limit`.
   */
  readonly holdMs: number;
  /** How often an event whose type is not known is postponed before it is dead-lettered. */
  readonly maxUnknown: number;
  /** How long parts of one batch are begun. */
  readonly batchBudgetMs: number;
}

/** How a consumer stopped. */
export interface Drained {
  /** Deliveries that were neither settled nor sent round in time; the broker returns them, and counts that. */
  readonly unfinishedCount: number;
  /** Deliveries that were given back through a retry tier, which counts as nothing. */
  readonly sentRoundCount: number;
}

/** How all consumers of a process stopped. */
export const sumOf = (all: readonly Drained[]): Drained => ({
  unfinishedCount: all.reduce((sum, { unfinishedCount }) => sum + unfinishedCount, 0),
  sentRoundCount: all.reduce((sum, { sentRoundCount }) => sum + sentRoundCount, 0),
});

const TIMING: ConsumerTiming = {
  retryDelaysMs: undefined,
  outageBackoff: undefined,
  holdMs: 600_000,
  maxUnknown: MAX_UNKNOWN,
  batchBudgetMs: 300_000,
};
const HOUSEKEEPING_MS = 5_000;

/**
 * Consumes one queue: takes deliveries from its tap, handles them in batches, and settles each by what became of it.
 *
 *     onDelivery -> (twin of one in work?) -> decode -> quarantine or gather -> [pause allows?] -> run -> settle
 *                                                            ^---------------- held in an outage --'
 *
 * Knows no broker: RabbitMQ and the memory bus differ only in the tap.
 */
export class Consumer {
  private readonly run: Run;
  private readonly buffer: DeliveryBuffer;
  private readonly pause: Pause;
  private readonly redeliveries = new RedeliveryTracker();
  private readonly settlement: Settlement;
  private readonly timing: ConsumerTiming;
  /** Fires when nobody waits any longer. */
  private readonly abortion = new AbortController();
  private readonly work = new Set<Promise<void>>();
  private housekeeping: NodeJS.Timeout | undefined;
  private readonly inFlight = new Set<Received>();
  private runCount = 0;
  private passedCount = 0;
  private lastRunMs = 0;
  private lostGeneration = 0;
  private isConsuming = false;
  private lastPauseState: PauseState = 'running';
  private pausedSince: Date | undefined;
  private stopReporting: () => void = () => undefined;
  private drainEndsAt: number | undefined;

  constructor(private readonly settings: ConsumerSettings) {
    const { queue, row, source, logger, publisher, handler, breakers } = settings;
    if (row.deduplicate && settings.inbox === undefined) throw new TypeError(`${queue} deduplicates and needs an inbox`);
    this.timing = { ...TIMING, ...settings.timing };
    this.run = middleware({
      queue,
      deadlineMs: row.deadlineMs,
      isOutage: (error) => this.isOutage(error),
      inbox: row.deduplicate ? settings.inbox : undefined,
      handler,
      publisher,
      emits: row.emits,
      signal: this.abortion.signal,
      onFailure: (outcome, failures) => {
        if (failures === 5) logger.warn({ queue, outcome }, 'cannot publish what follows from an event yet, still trying');
      },
    });
    this.buffer = new DeliveryBuffer(row.batch, () => this.pump());
    this.pause = new Pause({
      pausesWith: row.pausesWith,
      breakers,
      capacity: row.batch.size * row.concurrency,
      onChange: () => this.onPauseChange(),
      ...(this.timing.outageBackoff === undefined ? {} : { backoff: this.timing.outageBackoff }),
    });
    this.settlement = new Settlement({
      queue,
      source,
      redeliveries: this.redeliveries,
      logger,
      signal: this.abortion.signal,
      onDeadLetter: settings.onDeadLetter,
    });
    source.listen({
      onDelivery: (delivery) => detached(() => this.onDelivery(delivery)),
      onLost: (generation) => this.onLost(generation),
    });
  }

  /** Where the pause stands; `running` when nothing is wrong. */
  get pauseState(): PauseState {
    return this.pause.state;
  }

  /** How it is, for operators. */
  report(): ConsumerState {
    const held = [...this.buffer.items(), ...this.inFlight];
    const oldest = held.map(occurredAt).reduce((one, other) => Math.min(one, other), Number.POSITIVE_INFINITY);
    return {
      queue: this.settings.queue,
      state: this.pause.state,
      pausedSince: this.pausedSince?.toISOString() ?? null,
      unacked: held.length,
      oldestAt: Number.isFinite(oldest) ? new Date(oldest).toISOString() : null,
    };
  }

  start(): void {
    this.stopReporting = reportConsumer(this);
    // A gauge that nobody has set yet is missing, not 0.
    metrics.consumerPaused.set({ queue: this.settings.queue }, 0);
    this.pause.start();
    this.reconcileFlow();
    this.housekeeping = setInterval(() => this.keepHouse(), Math.min(HOUSEKEEPING_MS, this.timing.holdMs));
    this.housekeeping.unref();
  }

  /**
   * Stops taking, finishes what can be finished within `drainMs`, settles it, and sends the rest round through a retry tier. Nothing is
   * dead-lettered for being interrupted, nor counted as returned while the broker takes copies. The tap stays open for acknowledgements until its owner closes it.
   */
  async stop(drainMs: number): Promise<Drained> {
    this.drainEndsAt ??= performance.now() + drainMs;
    clearInterval(this.housekeeping);
    const shut = this.settings.source.cancel();
    this.buffer.flush();
    await within(
      drainMs,
      shut.then(() => this.idle()),
    );
    this.pause.stop();
    this.buffer.stop();
    const left = [...this.buffer.items(), ...this.inFlight].filter((item) => !this.isLost(item));
    this.buffer.drop(() => true);
    const sentRoundCount = await this.settlement.sendRound(left, AbortSignal.timeout(SEND_ROUND_MS));
    this.abortion.abort();
    this.stopReporting();
    // What waited for the broker notices that it need not; what ignores its deadline is not waited for.
    await within(LAST_MOMENT_MS, this.idle());
    return { unfinishedCount: left.length - sentRoundCount, sentRoundCount };
  }

  private onDelivery(delivery: Delivery): void {
    switch (this.redeliveries.recognise(delivery)) {
      case 'in-progress':
        return;
      case 'finished':
        this.settings.source.ack([delivery]);
        return;
      case 'new':
        this.take(delivery);
    }
  }

  private take(delivery: Delivery): void {
    const { queue, row } = this.settings;
    let event: ParleyEvent | undefined;
    try {
      event = decode(delivery, row.hears);
      if (delivery.returnCount >= MAX_RETURNS) throw new CrashLoop(delivery.returnCount);
    } catch (error) {
      this.refuse({ delivery, event }, error);
      return;
    }
    const item: Received = { delivery, event, receivedAt: performance.now(), wasHeld: false, poison: new PoisonDetector() };
    metrics.queueOldestAge.set({ queue }, secondsSince(occurredAt(item)));
    this.redeliveries.hold(item);
    this.buffer.add(item);
  }

  /** Settles one that no handler sees. */
  private refuse(item: { delivery: Delivery; event: ParleyEvent | undefined }, error: unknown): void {
    const isHopeless = !(error instanceof NotKnownYet) || countHeader(item.delivery, header.unknown) >= this.timing.maxUnknown;
    const decision = isHopeless ? ({ kind: 'dead-letter' } as const) : ({ kind: 'postpone', tier: this.tierCount } as const);
    const reason = isHopeless && error instanceof NotKnownYet ? new Reject(error.message) : error;
    this.track(this.settlement.failed(item, decision, reason, { startedAt: performance.now(), batchSize: 1 }));
  }

  private get tierCount(): number {
    return (this.timing.retryDelaysMs ?? RETRY_DELAYS_MS).length;
  }

  /** A channel died: what waits here comes again through the next one. What is being handled goes on and meets its twin. */
  private onLost(generation: number): void {
    this.lostGeneration = Math.max(this.lostGeneration, generation);
    for (const item of this.buffer.items()) if (this.isLost(item)) this.redeliveries.letGo(item);
    this.buffer.drop((item) => this.isLost(item));
    this.reconcileFlow();
  }

  /** Starts as many runs as there is room for. Called whenever something becomes due or room becomes free. */
  private pump(): void {
    while (this.runCount < this.settings.row.concurrency && this.hasTimeForARun()) {
      const batch = this.buffer.take(this.pause.allowance - this.inFlight.size, this.runCount);
      if (batch.length === 0) return;
      this.track(detached(() => this.handle(batch)));
    }
  }

  private async handle(batch: readonly Received[]): Promise<void> {
    const startedAt = performance.now();
    this.runCount += 1;
    for (const item of batch) this.inFlight.add(item);
    const verdicts = await bisectBatch(batch, this.run, {
      isOutage: (error, part) => this.isOutage(error) && !part.some(({ poison }) => poison.isProven),
      budgetMs: this.timing.batchBudgetMs,
    });
    this.runCount -= 1;
    for (const item of batch) this.inFlight.delete(item);
    this.lastRunMs = performance.now() - startedAt;
    this.conclude(verdicts, { startedAt, batchSize: batch.length });
    this.buffer.ended();
    this.reconcileFlow();
    this.pump();
  }

  /** Settles what passed and what failed, and holds what met an outage. */
  private conclude(verdicts: readonly Verdict<Received>[], account: Account): void {
    const passed = verdicts.filter(({ kind }) => kind === 'passed').map(({ item }) => item);
    this.passedCount += passed.length;
    this.settlement.done(passed, account);
    const held = verdicts.flatMap((verdict) => (verdict.kind === 'passed' || this.settleFailed(verdict, account) ? [] : [verdict]));
    const [outage] = held;
    if (outage === undefined) return this.pause.passed();
    this.hold(
      held.map(({ item }) => item),
      outage.error,
    );
  }

  /** @returns false when it is not its fault and it must be held. */
  private settleFailed({ kind, item, error }: Exclude<Verdict<Received>, { kind: 'passed' }>, account: Account): boolean {
    const { queue, row } = this.settings;
    if (kind === 'outage') return false;
    const decision = decide(error, {
      queue,
      attempt: attemptOf(item.delivery),
      attempts: row.attempts,
      pausesWith: row.pausesWith,
      isToBlame: item.poison.isProven,
      ...(this.timing.retryDelaysMs === undefined ? {} : { retryDelaysMs: this.timing.retryDelaysMs }),
    });
    if (decision.kind === 'hold') return false;
    this.track(this.settlement.failed(item, decision, error, account));
    return true;
  }

  private hold(items: readonly Received[], error: unknown): void {
    const { queue, row, logger } = this.settings;
    for (const item of items) {
      item.wasHeld = true;
      item.poison.metOutage(error, this.passedCount);
      if (this.isLost(item)) this.redeliveries.letGo(item);
    }
    this.buffer.putBack(items.filter((item) => !this.isLost(item)));
    metrics.eventAttempts.inc({ queue, outcome: 'hold' }, items.length);
    const outage = outageOf(error, row.pausesWith);
    if (outage === undefined || error instanceof Interrupted) return;
    logger.warn({ queue, heldCount: items.length, error: errorMessage(error) }, 'events held: not their fault');
    this.pause.metOutage(outage.retryAfterMs);
  }

  private onPauseChange(): void {
    const { queue, logger } = this.settings;
    const { state } = this.pause;
    const isPaused = state === 'paused' || state === 'probing';
    this.pausedSince = isPaused ? (this.pausedSince ?? new Date()) : undefined;
    metrics.consumerPaused.set({ queue }, isPaused ? 1 : 0);
    if (state !== this.lastPauseState) logger.info({ queue, from: this.lastPauseState, to: state }, 'consumer pause');
    this.lastPauseState = state;
    this.reconcileFlow();
    this.pump();
  }

  /** Opens or shuts the tap as the pause wants it. */
  private reconcileFlow(): void {
    if (this.drainEndsAt !== undefined) return;
    const isWanted = this.isFlowWanted();
    if (isWanted === this.isConsuming) return;
    this.isConsuming = isWanted;
    if (isWanted) this.settings.source.consume();
    else void this.settings.source.cancel();
  }

  private isFlowWanted(): boolean {
    const { batch, concurrency } = this.settings.row;
    switch (this.pause.state) {
      case 'running':
        return true;
      case 'paused':
        // On a mere suspicion others must be able to come and show that it is only one event that fails.
        return this.isConsuming && !this.pause.isBreakerOpen;
      case 'probing':
        // A probe uses what is held. When all of that was tried in vain, it may be the events that break what they need.
        return this.isConsuming || (this.inFlight.size === 0 && this.buffer.items().every(({ wasHeld }) => wasHeld));
      case 'ramp':
        // The broker counts its prefetch from zero each time: what is held already must go down first.
        return this.isConsuming || this.buffer.count < batch.size * concurrency;
    }
  }

  /** Sends round what was held for so long that the broker would take it away, and keeps the age of what waits up to date. */
  private keepHouse(): void {
    const { queue } = this.settings;
    const waiting = this.buffer.items();
    const { oldestAt } = this.report();
    // 0 when it holds none: the age of the last event that was taken says nothing about the queue any more.
    metrics.queueOldestAge.set({ queue }, oldestAt === null ? 0 : secondsSince(Date.parse(oldestAt)));
    const now = performance.now();
    const isTooOld = (item: Received) => now - item.receivedAt > this.timing.holdMs;
    const old = waiting.filter(isTooOld);
    if (old.length === 0) return;
    this.buffer.drop(isTooOld);
    const longest = new Postpone(Number.POSITIVE_INFINITY, 'held for too long');
    for (const item of old) this.settleFailed({ kind: 'failed', item, error: longest }, { startedAt: now, batchSize: 1 });
    this.reconcileFlow();
  }

  private isLost(item: Received): boolean {
    return item.delivery.generation <= this.lostGeneration;
  }

  private isOutage(error: unknown): boolean {
    return outageOf(error, this.settings.row.pausesWith) !== undefined;
  }

  /** While draining, a run is only begun when one like the last would end in time: an interrupted one is repeated by somebody else. */
  private hasTimeForARun(): boolean {
    if (this.abortion.signal.aborted) return false;
    return this.drainEndsAt === undefined || performance.now() + 2 * this.lastRunMs < this.drainEndsAt;
  }

  private track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.settings.logger.error({ queue: this.settings.queue, err: error }, 'the bus itself failed'))
      .finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }

  /** Resolves when nothing is being handled or settled. */
  private async idle(): Promise<void> {
    while (this.work.size > 0) await Promise.all(this.work);
  }
}

const LAST_MOMENT_MS = 500;
/** A few hundred confirms; without a broker nothing is sent round. */
const SEND_ROUND_MS = 3_000;

/** Outside the request or timer that happened to trigger it: a handler has its own ids and its own deadline. */
const detached = <T>(work: () => T): T => withoutDeadline(() => runInContext({}, work));

const occurredAt = ({ event }: Received): number => Date.parse(event.occurredAt);

const secondsSince = (time: number): number => Math.max(0, Date.now() - time) / 1_000;
