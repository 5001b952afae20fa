import { setTimeout as sleep } from 'node:timers/promises';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { exponential } from '#lib/runtime/work/backoff';
import { within } from '#lib/runtime/work/within';
import type { EventHeaders, PublisherPort, PublishOutcome } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { withoutDeadline } from '#lib/resilience/call/deadline';
import { batchPerTick } from '#lib/resilience/load/batch-per-tick';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { OutboxDepth, OutboxEntry, OutboxPort } from './outbox.port.js';

/** When the relay looks for entries that were left behind. All times in milliseconds. */
export interface OutboxRelayOptions {
  /** Pause between two sweeps (`OUTBOX_SWEEP_MS`). */
  readonly sweepMs: number;
  /** Age at which the sweep takes an entry; younger ones belong to the process that wrote them (`OUTBOX_GRACE_MS`). */
  readonly graceMs: number;
}

/** Publishes of the fast path at once; beyond that the sweep does it. Twice the confirm window and its line. */
const FAST_PATH_LIMIT = 1_024;
/** Confirmed ids that wait to be removed. More are forgotten: the sweep publishes those again, and consumers recognise them. */
const CONFIRMED_LIMIT = 10_000;
/**
 * How long confirmed ids are gathered before they are removed together: a statement for each batch of sends cost Postgres as much as the sends
 * where few come at once. What a crash in this time leaves behind is published twice.
 */
const REMOVAL_GATHER_MS = 50;
const REMOVAL_BATCH = 2_000;
const SWEEP_BATCH = 500;
/** Publishes of one sweep at once: below the confirm window (256), so that fresh events find a place beside it. */
const SWEEP_CONCURRENCY = 128;
/** Longer than a whole batch takes in which every publish runs into its timeout, 5 s each, {@link SWEEP_CONCURRENCY} at once. */
const LEASE_MS = 30_000;
const MEASURE_MS = 5_000;
/** Unparked in one statement, and so many statements before a sweep publishes again: what no queue took for a day may be a lot. */
const UNPARK_BATCH = 1_000;
const UNPARK_ROUNDS = 100;
/** A depth that is older than this is not known: Postgres did not answer, or no process could measure. */
const MEASURED_FOR_MS = 30_000;
const BACKOFF = { baseMs: 200, capMs: 30_000 } as const;
/**
 * Tries before an entry is set aside that no queue takes or that its schema refuses: about 50 s with the backoff, so that neither a broker
 * that is being set up nor a relay of the version before costs an event.
 */
const TRIES_BEFORE_PARKING = 8;

/** An event whose row was committed a moment ago. */
interface Fresh {
  readonly event: ParleyEvent;
  readonly headers: EventHeaders;
}

/** What one sweep did. */
export interface Swept {
  /** Entries that it took; a full batch means that there are probably more. */
  readonly takenCount: number;
  readonly confirmedCount: number;
}

type Attempt = PublishOutcome | { readonly kind: 'invalid'; readonly reason: string };

/**
 * Brings what the outbox promises to RabbitMQ. An entry can be published twice (a crash between confirm and removal) but not lost.
 *
 *     written --publishSoon--> publishing --confirmed--> removed
 *        |                        `--anything else: the entry waits
 *        `--older than graceMs--> leased --confirmed--> removed
 *                                   |--nacked, ambiguous--> due again after 0.2 -> 30 s
 *                                   `--returned, invalid--> the same, after 8 tries parked
 *     parked --queues declared again (what was returned), process starts (all)--> written, with all its tries
 */
export class OutboxRelay {
  private readonly stopping = new AbortController();
  /** Taken from `publishSoon` to the outcome. */
  private readonly fastPath = new Semaphore(undefined, { concurrent: FAST_PATH_LIMIT, queued: 0 });
  /** After the answers that are being written in this turn of the event loop: no caller waits for this one. */
  private readonly publishLater = batchPerTick<Fresh>((fresh) => {
    for (const each of fresh) this.publishFresh(each);
  });
  private readonly confirmed: string[] = [];
  private removing: Promise<void> | undefined;
  private sweeping: Promise<unknown> | undefined;
  /** What the next sweep makes due again: at the start all of it, in case this version knows what the one before did not. */
  private toUnpark: 'returned:' | '' | undefined = '';
  private stopListening: () => void = () => undefined;
  private measured: { readonly depth: OutboxDepth; readonly at: number } | undefined;

  constructor(
    private readonly outbox: OutboxPort,
    private readonly publisher: PublisherPort,
    private readonly options: OutboxRelayOptions,
    private readonly logger: Logger,
  ) {}

  /**
   * Publishes an event whose outbox row is committed, and removes the row when the broker has confirmed it. Returns at once and never
   * throws. Does nothing when publishing makes no sense now: the row is there, the sweep finds it.
   */
  publishSoon(event: ParleyEvent, headers: EventHeaders = {}): void {
    if (this.isStopping || !this.publisher.isHealthy || !this.fastPath.tryAcquire()) return;
    this.publishLater({ event, headers });
  }

  /** What waits in the outbox, as measured in the last 30 s; undefined = not known. */
  get depth(): OutboxDepth | undefined {
    const { measured } = this;
    return measured !== undefined && performance.now() - measured.at <= MEASURED_FOR_MS ? measured.depth : undefined;
  }

  /** Takes one batch of entries that were left behind. */
  async sweepOnce(): Promise<Swept> {
    if (!this.publisher.isHealthy) return { takenCount: 0, confirmedCount: 0 };
    const entries = await this.outbox.lease({ limit: SWEEP_BATCH, olderThanMs: this.options.graceMs, leaseMs: LEASE_MS });
    const left = [...entries];
    const confirmed: string[] = [];
    const failed: { readonly entry: OutboxEntry; readonly attempt: Attempt }[] = [];
    const publishOneByOne = async () => {
      for (let entry = left.shift(); entry !== undefined; entry = left.shift()) {
        const attempt = await this.attempt(entry.event, entry.headers);
        if (attempt.kind === 'confirmed') confirmed.push(entry.event.eventId);
        else failed.push({ entry, attempt });
      }
    };
    await Promise.all(Array.from({ length: SWEEP_CONCURRENCY }, publishOneByOne));
    await this.outbox.remove(confirmed);
    await this.settleFailed(failed);
    return { takenCount: entries.length, confirmedCount: confirmed.length };
  }

  /** Sweeps until `stop`, for as long as the process lives, whatever fails. */
  start(): void {
    if (this.sweeping !== undefined) return;
    this.stopListening = this.publisher.onDeclared(() => (this.toUnpark ??= 'returned:'));
    // Two loops: however long measuring takes, nothing that waits waits for it.
    this.sweeping = withoutDeadline(() => Promise.all([this.sweepUntilStopped(), this.measureUntilStopped()]));
  }

  /** Takes no more events, and settles when those in flight are done or `withinMs` is over. What is left stays in the outbox. */
  async stop(withinMs = 5_000): Promise<void> {
    this.stopping.abort();
    this.stopListening();
    const idle = async () => {
      await this.sweeping;
      await this.fastPath.idle();
      await this.removing;
    };
    await within(withinMs, idle());
  }

  private get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  /** Without an async function, of which each would cost a send a promise and a context more. */
  private publishFresh({ event, headers }: Fresh): void {
    const settled = (kind: Attempt['kind']) => {
      this.fastPath.release();
      if (kind !== 'confirmed' || this.confirmed.length >= CONFIRMED_LIMIT) return;
      this.confirmed.push(event.eventId);
      this.removing ??= this.removeConfirmed();
    };
    if (!this.publisher.isHealthy) return settled('ambiguous');
    try {
      this.publisher.publishOwn(event, headers).then(
        ({ kind }) => settled(kind),
        () => settled('invalid'),
      );
    } catch {
      settled('invalid'); // the sweep finds out what is wrong with it, and says so
    }
  }

  private async attempt(event: ParleyEvent, headers: EventHeaders): Promise<Attempt> {
    // An outage that begins in the middle of a batch should not cost each remaining entry a timeout.
    if (!this.publisher.isHealthy) return { kind: 'ambiguous', reason: 'the publisher is not connected' };
    try {
      return await this.publisher.publish(event, headers);
    } catch (error) {
      // Names and codes only: a schema's message may quote the content.
      return { kind: 'invalid', reason: error instanceof Error ? error.name : 'unknown' };
    }
  }

  /** What is confirmed while one removal is under way goes with the next. */
  private async removeConfirmed(): Promise<void> {
    let failures = 0;
    while (this.confirmed.length > 0) {
      await this.pause(REMOVAL_GATHER_MS);
      const ids = this.confirmed.splice(0, REMOVAL_BATCH);
      try {
        await this.outbox.remove(ids);
        failures = 0;
      } catch {
        failures += 1;
        if (this.isStopping) break;
        this.confirmed.unshift(...ids);
        await this.pause(backoff(failures));
      }
    }
    // In the same breath as the check above: an id that is confirmed from now on starts the next removal.
    this.removing = undefined;
  }

  private async settleFailed(failed: readonly { readonly entry: OutboxEntry; readonly attempt: Attempt }[]): Promise<void> {
    const later = new Map<number, { ids: string[]; reason: string }>();
    for (const { entry, attempt } of failed) {
      const { event, attempts } = entry;
      const reason = attempt.kind === 'confirmed' ? '' : `${attempt.kind}: ${attempt.reason}`;
      const isHopeless = attempt.kind === 'returned' || attempt.kind === 'invalid';
      if (isHopeless && attempts + 1 >= TRIES_BEFORE_PARKING) {
        await this.outbox.park(event.eventId, reason);
        this.logger.error({ event: event.type, eventId: event.eventId, attempts: attempts + 1, reason }, 'outbox entry parked');
        continue;
      }
      const group = later.get(attempts) ?? { ids: [], reason };
      group.ids.push(event.eventId);
      later.set(attempts, group);
    }
    for (const [attempts, { ids, reason }] of later) await this.outbox.retryLater(ids, backoff(attempts + 1), reason);
  }

  private async sweepUntilStopped(): Promise<void> {
    let failures = 0;
    while (!this.isStopping) {
      let waitMs = this.options.sweepMs;
      try {
        await this.unpark();
        const { takenCount, confirmedCount } = await this.sweepOnce();
        // The batch was full: there is probably more. Unless the broker takes nothing at all: then there is no hurry.
        if (takenCount === SWEEP_BATCH && confirmedCount > 0) waitMs = 0;
        failures = 0;
      } catch (error) {
        failures += 1;
        waitMs = Math.max(waitMs, backoff(failures));
        if (failures === 1) this.logger.warn({ err: error }, 'outbox sweep failed, trying again until it works');
      }
      if (waitMs > 0) await this.pause(waitMs);
    }
  }

  private async unpark(): Promise<void> {
    const { toUnpark: reason } = this;
    if (reason === undefined || !this.publisher.isHealthy) return;
    let [total, isMore] = [0, true];
    for (let round = 0; isMore && round < UNPARK_ROUNDS; round += 1) {
      const count = await this.outbox.unpark({ reason }, UNPARK_BATCH);
      total += count;
      isMore = count === UNPARK_BATCH;
    }
    // What is left goes on with the next sweep.
    if (!isMore && this.toUnpark === reason) this.toUnpark = undefined;
    if (total > 0) this.logger.info({ count: total, reason }, 'parked outbox entries are tried again');
  }

  private async measureUntilStopped(): Promise<void> {
    while (!this.isStopping) {
      // What is not known for 30 s says so by itself; the sweep reports that Postgres is out.
      await this.measure().catch(() => undefined);
      await this.pause(MEASURE_MS);
    }
  }

  private async measure(): Promise<void> {
    const depth = await this.outbox.latestDepth(MEASURE_MS);
    if (depth === undefined) return;
    const { pending, parked, oldestAgeSeconds } = depth;
    this.measured = { depth, at: performance.now() };
    metrics.outboxPending.set(pending);
    metrics.outboxParked.set(parked);
    metrics.outboxOldestAge.set(oldestAgeSeconds);
  }

  private async pause(waitMs: number): Promise<void> {
    await sleep(waitMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}

// At least half of it: a wait that may be nothing would not let a full queue drain.
const backoff = (failures: number): number => Math.round(exponential(failures, BACKOFF) * (0.5 + Math.random() / 2));
