import type { ConsumerState } from '#lib/contracts/control';
import type { ParleyEvent } from '#lib/contracts/events';
import { RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import { withoutDeadline } from '#lib/resilience/call/deadline';
import { runInContext } from '#lib/runtime/log/context';
import { metrics } from '#lib/runtime/metrics/metrics';
import { middleware } from './run/middleware.js';
import { reportConsumer } from './consumer-reports.js';
import { decide, outageOf } from './settle/decide.js';
import { decode } from './run/decode.js';
import type { Delivery } from './source/delivery.js';
import { bisectBatch, type Verdict } from './run/bisect-batch.js';
import { CrashLoop, Interrupted, NotKnownYet, Postpone, Reject } from '../outcome.js';
import { type ConsumerSettings, type ConsumerTiming, type Drained, TIMING } from './consumer-settings.js';
import { wantsDeliveries } from './flow.js';
import { Pause, type PauseState } from './pause.js';
import type { Received } from './buffer/received.js';
import type { Run } from './run/layer.js';
import { type RunFacts, Settlement } from './settle/settle.js';
import { PoisonDetector } from './buffer/poison-detector.js';
import { MAX_RETURNS } from '../topology.js';
import { RedeliveryTracker } from './buffer/redelivery-tracker.js';
import { DeliveryBuffer } from './buffer/delivery-buffer.js';
import { attemptOf, countHeader, errorMessage, header } from '../wire-message.js';
import { within } from '#lib/runtime/work/within';

const HOUSEKEEPING_MS = 5_000;

/**
 * Consumes one queue: takes deliveries from its source, handles them in batches, and settles each by its outcome.
 *
 *     onDelivery -> [redelivered?] -> decode -> buffer (batches, quarantine) -> [pause allows?] -> run -> settle
 *                                                 ^---------------- held in an outage -------------'
 *
 * Knows no broker: transports differ only in the delivery source.
 */
export class Consumer {
  private readonly run: Run;
  private readonly buffer: DeliveryBuffer;
  private readonly pause: Pause;
  private readonly redeliveries = new RedeliveryTracker();
  private readonly settlement: Settlement;
  private readonly timing: ConsumerTiming;
  /** Aborts what still waits for the broker or the inbox at the end of a stop. */
  private readonly abortController = new AbortController();
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
      signal: this.abortController.signal,
      onFailure: (outcome, failures) => {
        if (failures === 5) logger.warn({ queue, outcome }, 'cannot publish an emitted event yet, retrying');
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
      signal: this.abortController.signal,
      onDeadLetter: settings.onDeadLetter,
    });
    source.listen({
      onDelivery: (delivery) => detached(() => this.onDelivery(delivery)),
      onLost: (generation) => this.onLost(generation),
    });
  }

  /** The state of the pause; `running` when nothing is wrong. */
  get pauseState(): PauseState {
    return this.pause.state;
  }

  /** The state of the consumer, for operators. */
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
    // A gauge that was never set is missing, not 0.
    metrics.consumerPaused.set({ queue: this.settings.queue }, 0);
    this.pause.start();
    this.reconcileFlow();
    this.housekeeping = setInterval(() => this.housekeep(), Math.min(HOUSEKEEPING_MS, this.timing.holdMs));
    this.housekeeping.unref();
  }

  /**
   * Stops deliveries, finishes and settles what ends within `drainMs`, and requeues the rest through a retry tier. An interrupted event is
   * neither dead-lettered nor, while the broker takes copies, counted as returned. The source stays open for acks until its owner closes it.
   */
  async stop(drainMs: number): Promise<Drained> {
    this.drainEndsAt ??= performance.now() + drainMs;
    clearInterval(this.housekeeping);
    const cancelled = this.settings.source.cancel();
    this.buffer.flush();
    await within(
      drainMs,
      cancelled.then(() => this.idle()),
    );
    this.pause.stop();
    this.buffer.stop();
    const left = [...this.buffer.items(), ...this.inFlight].filter((item) => !this.isLost(item));
    this.buffer.drop(() => true);
    const sentRoundCount = await this.settlement.requeue(left, REQUEUE_MS);
    this.abortController.abort();
    this.stopReporting();
    // Waits for the broker end with the abort; a handler that ignores its deadline is not waited for.
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
        this.accept(delivery);
    }
  }

  private accept(delivery: Delivery): void {
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
    this.redeliveries.track(item);
    this.buffer.add(item);
  }

  /** Settles a delivery that no handler may see: it cannot be decoded, or keeps crashing its consumers. */
  private refuse(item: { delivery: Delivery; event: ParleyEvent | undefined }, error: unknown): void {
    const isFinal = !(error instanceof NotKnownYet) || countHeader(item.delivery, header.unknown) >= this.timing.maxUnknown;
    const decision = isFinal ? ({ kind: 'dead-letter' } as const) : ({ kind: 'postpone', tier: this.tierCount } as const);
    const reason = isFinal && error instanceof NotKnownYet ? new Reject(error.message) : error;
    this.track(this.settlement.failed(item, decision, reason, { startedAt: performance.now(), batchSize: 1 }));
  }

  private get tierCount(): number {
    return (this.timing.retryDelaysMs ?? RETRY_DELAYS_MS).length;
  }

  /** Drops the buffered deliveries of a lost channel, which the broker delivers again. Those in flight go on; the tracker matches them up. */
  private onLost(generation: number): void {
    this.lostGeneration = Math.max(this.lostGeneration, generation);
    for (const item of this.buffer.items()) if (this.isLost(item)) this.redeliveries.forget(item);
    this.buffer.drop((item) => this.isLost(item));
    this.reconcileFlow();
  }

  /** Starts as many runs as the row and the pause allow. Called when a batch becomes due or a run ends. */
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
      idOf: ({ event }) => event.eventId,
      budgetMs: this.timing.batchBudgetMs,
    });
    this.runCount -= 1;
    for (const item of batch) this.inFlight.delete(item);
    this.lastRunMs = performance.now() - startedAt;
    this.settleBatch(verdicts, { startedAt, batchSize: batch.length });
    this.buffer.ended();
    this.reconcileFlow();
    this.pump();
  }

  /** Settles what passed and what failed, and holds what met an outage. */
  private settleBatch(verdicts: readonly Verdict<Received>[], run: RunFacts): void {
    const passed = verdicts.filter(({ kind }) => kind === 'passed').map(({ item }) => item);
    this.passedCount += passed.length;
    this.settlement.done(passed, run);
    const held = verdicts.flatMap((verdict) => (verdict.kind === 'passed' || this.settleFailed(verdict, run) ? [] : [verdict]));
    const [outage] = held;
    if (outage === undefined) return this.pause.passed();
    this.hold(
      held.map(({ item }) => item),
      outage.error,
    );
  }

  /** @returns false for an outage: the item must be held. */
  private settleFailed({ kind, item, error }: Exclude<Verdict<Received>, { kind: 'passed' }>, run: RunFacts): boolean {
    const { queue, row } = this.settings;
    if (kind === 'outage') return false;
    const decision = decide(error, {
      queue,
      attempt: attemptOf(item.delivery),
      attempts: row.attempts,
      pausesWith: row.pausesWith,
      isPoison: item.poison.isProven,
      ...(this.timing.retryDelaysMs === undefined ? {} : { retryDelaysMs: this.timing.retryDelaysMs }),
    });
    if (decision.kind === 'hold') return false;
    this.track(this.settlement.failed(item, decision, error, run));
    return true;
  }

  private hold(items: readonly Received[], error: unknown): void {
    const { queue, row, logger } = this.settings;
    for (const item of items) {
      item.wasHeld = true;
      item.poison.metOutage(error, this.passedCount);
      if (this.isLost(item)) this.redeliveries.forget(item);
    }
    this.buffer.putBack(items.filter((item) => !this.isLost(item)));
    metrics.eventAttempts.inc({ queue, outcome: 'hold' }, items.length);
    const outage = outageOf(error, row.pausesWith);
    if (outage === undefined || error instanceof Interrupted) return;
    logger.warn({ queue, heldCount: items.length, error: errorMessage(error) }, 'events held: a dependency is out');
    this.pause.metOutage(outage.retryAfterMs);
  }

  private onPauseChange(): void {
    const { queue, logger } = this.settings;
    const { state } = this.pause;
    const isPaused = state === 'paused' || state === 'probing';
    this.pausedSince = isPaused ? (this.pausedSince ?? new Date()) : undefined;
    metrics.consumerPaused.set({ queue }, isPaused ? 1 : 0);
    if (state !== this.lastPauseState) logger.info({ queue, from: this.lastPauseState, to: state }, 'consumer pause changed');
    this.lastPauseState = state;
    this.reconcileFlow();
    this.pump();
  }

  /** Reconciles the desired flow (delivering or not) with the actual one. */
  private reconcileFlow(): void {
    if (this.drainEndsAt !== undefined) return;
    const { batch, concurrency } = this.settings.row;
    const isWanted = wantsDeliveries({
      state: this.pause.state,
      isBreakerOpen: this.pause.isBreakerOpen,
      isConsuming: this.isConsuming,
      inFlightCount: this.inFlight.size,
      bufferedCount: this.buffer.count,
      isEveryBufferedHeld: () => this.buffer.items().every(({ wasHeld }) => wasHeld),
      capacity: batch.size * concurrency,
    });
    if (isWanted === this.isConsuming) return;
    this.isConsuming = isWanted;
    if (isWanted) this.settings.source.consume();
    else void this.settings.source.cancel();
  }

  /** Requeues what was held for too long, and refreshes the age of the oldest held event. */
  private housekeep(): void {
    const { queue } = this.settings;
    const waiting = this.buffer.items();
    const { oldestAt } = this.report();
    // 0 when it holds none: the age of the last event taken says nothing about the queue.
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

  /** Whether a run like the last one would end before the drain does: an interrupted run is repeated by another process. */
  private hasTimeForARun(): boolean {
    if (this.abortController.signal.aborted) return false;
    return this.drainEndsAt === undefined || performance.now() + 2 * this.lastRunMs < this.drainEndsAt;
  }

  private track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) =>
        this.settings.logger.error({ queue: this.settings.queue, err: error }, 'settling failed: a bug of the bus'),
      )
      .finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }

  /** Resolves when nothing is being handled or settled. */
  private async idle(): Promise<void> {
    while (this.work.size > 0) await Promise.all(this.work);
  }
}

const LAST_MOMENT_MS = 500;
/** A few hundred confirms; without a broker nothing is requeued. */
const REQUEUE_MS = 3_000;

/** Runs outside the context and deadline of the caller: a handler has its own ids and its own deadline. */
const detached = <T>(work: () => T): T => withoutDeadline(() => runInContext({}, work));

const occurredAt = ({ event }: Received): number => Date.parse(event.occurredAt);

const secondsSince = (time: number): number => Math.max(0, Date.now() - time) / 1_000;
