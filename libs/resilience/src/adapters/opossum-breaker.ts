import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import { type BreakerCause, BreakerPort, type BreakerSettings, type BreakerState, type Permit } from '../call/breaker.port.js';
import { Breakers } from '../call/breakers.js';
import { LoopClock } from '../call/loop-clock.js';

const WINDOW_MS = 10_000;
const BUCKETS = 10;
// Below five outcomes in the window a percentage means nothing; opossum's own default is 0: the first failure opens.
const VOLUME_THRESHOLD = 5;
const ERROR_PERCENTAGE = 50;
// R086. Under heavy traffic the successes of a moment ago outweigh the failures of an outage for most of the window.
const FAILURES_IN_A_ROW = 5;
const TRIALS_TO_CLOSE = 2;
// Processes that lost the same dependency at the same moment must not all try it again at the same moment.
// Only ever earlier, never later: the time to recover is promised.
const RESET_JITTER = 0.2;

/**
 * A breaker on opossum's window, threshold and reset timer, which also opens at five failures in a row, however many successes came before.
 * opossum is told outcomes; it never runs the call. That closes its traps (each one a test of this file): calls in flight or refused dilute its
 * failure rate, a timeout leaves its action running, one abort controller serves all calls, a late success closes it, one trial is enough,
 * `capacity` counts as failure.
 */
export class OpossumBreaker extends BreakerPort {
  private readonly circuit: CircuitBreaker<[Error | undefined], void>;
  private readonly listeners = new Set<(state: BreakerState, cause: BreakerCause) => void>();
  private readonly rotation = new EventEmitter();
  private changedAt = new Date();
  /** Raised with each change of state: tells the verdicts of today from those of an earlier state. */
  private epoch = 0;
  private trialIsRunning = false;
  private healthyTrials = 0;
  /** Failing verdicts since the last healthy one, while closed. */
  private failuresInARow = 0;
  private lastError: string | undefined;
  /** Those that opened it, and the trials that failed since; 0 while closed. */
  private failuresOfOutage = 0;
  private readonly resetMs: number;

  constructor(settings: BreakerSettings, clock: WindowClock) {
    super();
    this.resetMs = Math.ceil(settings.resetMs * (1 - RESET_JITTER * Math.random()));
    this.circuit = new CircuitBreaker(tellOutcome, {
      name: settings.name,
      volumeThreshold: VOLUME_THRESHOLD,
      errorThresholdPercentage: ERROR_PERCENTAGE,
      rollingCountTimeout: WINDOW_MS,
      rollingCountBuckets: BUCKETS,
      resetTimeout: this.resetMs,
      // Never reached, because outcomes are told when they are known; without one a hung trial would keep opossum half-open for ever.
      timeout: 1_000,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: this.rotation,
    });
    this.circuit.on('open', () => this.changed());
    this.circuit.on('halfOpen', () => this.changed());
    this.circuit.on('close', () => this.changed());
    clock.onTick(() => this.rotation.emit('rotate'));
  }

  get state(): BreakerState {
    if (this.circuit.opened) return 'open';
    return this.circuit.halfOpen ? 'half-open' : 'closed';
  }

  get since(): Date {
    return this.changedAt;
  }

  get retryInMs(): number {
    return this.circuit.opened ? Math.max(0, this.changedAt.getTime() + this.resetMs - Date.now()) : 0;
  }

  permit(): Permit | undefined {
    if (this.circuit.opened) return undefined;
    const isTrial = this.circuit.halfOpen;
    if (isTrial && this.trialIsRunning) return undefined;
    this.trialIsRunning = isTrial;
    const epoch = this.epoch;
    let isSettled = false;
    return {
      verdict: (verdict, error) => {
        if (isSettled || epoch !== this.epoch) return;
        isSettled = true;
        if (isTrial) this.trialIsRunning = false;
        if (verdict === 'unknown') return;
        if (verdict === 'failing') this.lastError = error;
        if (isTrial) this.judgeTrial(verdict === 'healthy');
        else this.count(verdict === 'healthy');
      },
    };
  }

  onChange(listener: (state: BreakerState, cause: BreakerCause) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private count(isHealthy: boolean): void {
    this.failuresInARow = isHealthy ? 0 : this.failuresInARow + 1;
    // The rejection is the outcome itself coming back; it has done its work.
    this.circuit.fire(isHealthy ? undefined : new Error('failing')).catch(() => undefined);
    if (this.circuit.closed && this.failuresInARow >= FAILURES_IN_A_ROW) this.circuit.open();
  }

  private judgeTrial(isHealthy: boolean): void {
    if (!isHealthy) return this.circuit.open();
    this.healthyTrials += 1;
    if (this.healthyTrials >= TRIALS_TO_CLOSE) this.circuit.close();
  }

  private changed(): void {
    if (this.circuit.opened) {
      const opening = Math.max(this.failuresInARow, this.circuit.stats.failures);
      this.failuresOfOutage = this.failuresOfOutage === 0 ? opening : this.failuresOfOutage + 1;
    }
    const cause = { failureCount: this.failuresOfOutage, error: this.lastError };
    if (this.circuit.closed) this.failuresOfOutage = 0;
    this.epoch += 1;
    this.changedAt = new Date();
    this.trialIsRunning = false;
    this.healthyTrials = 0;
    this.failuresInARow = 0;
    // opossum keeps its window when it closes, so that failures from before the outage would open it again at the first hiccup.
    if (this.circuit.closed) for (let bucket = 0; bucket < BUCKETS; bucket += 1) this.rotation.emit('rotate');
    for (const listener of this.listeners) listener(this.state, cause);
  }
}

// Not async: a synchronous throw is counted at once, a promise only a few microtasks later.
const tellOutcome = (failure: Error | undefined): Promise<void> => {
  if (failure !== undefined) throw failure;
  return Promise.resolve();
};

/** One timer that moves the windows of all breakers of a process on by a bucket. It does not keep the process alive. */
export class WindowClock {
  private readonly ticks: (() => void)[] = [];

  constructor() {
    setInterval(() => {
      for (const tick of this.ticks) tick();
    }, WINDOW_MS / BUCKETS).unref();
  }

  onTick(tick: () => void): void {
    this.ticks.push(tick);
  }
}

/** The breakers of a process: one for each operation class, made when it is first called. Make this once per process. */
export const createBreakers = (): Breakers => {
  const clock = new WindowClock();
  return new Breakers((settings) => new OpossumBreaker(settings, clock), new LoopClock());
};
