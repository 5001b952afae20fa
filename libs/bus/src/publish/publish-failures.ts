import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { PublishOutcome } from './publisher.port.js';

/** Publishing with one routing key (or straight into one queue) that fails at the moment. */
export interface PublishFailure {
  readonly routingKey: string;
  /** When the first publish in a row failed. */
  readonly since: Date;
  readonly outcome: Exclude<PublishOutcome['kind'], 'confirmed'>;
  /** Of the last one. */
  readonly reason: string;
  /** AMQP reply code of the last one: 404 no such exchange, 403 not allowed, 312 no queue; null for a nack or a timeout. */
  readonly code: number | null;
  /** Failed publishes in a row. */
  readonly count: number;
}

// The outbox tries at least every 30 s: what has not failed for twice as long is no longer being published.
const FORGET_MS = 60_000;
// Routing keys and queue names are a closed set of a few dozen; a bound all the same.
const MAX_KEPT = 200;

/**
 * Which routing keys the broker refuses at the moment. A full queue nacks every event that it hears while others flow, so this is kept by
 * routing key. Logs once when one begins to fail and once when it is taken again.
 */
export class PublishFailures {
  private readonly failing = new Map<string, PublishFailure & { readonly lastAt: number }>();

  constructor(
    private readonly logger: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Failures now, the longest first. */
  get current(): readonly PublishFailure[] {
    const current: PublishFailure[] = [];
    for (const [routingKey, { lastAt, ...failure }] of this.failing) {
      if (this.now() - lastAt < FORGET_MS) current.push(failure);
      else this.forget(routingKey);
    }
    return current;
  }

  /** Notes what the broker said to one publish. */
  note(routingKey: string, outcome: PublishOutcome, code: number | null = null): void {
    const before = this.failing.get(routingKey);
    if (outcome.kind === 'confirmed') {
      if (before === undefined) return;
      this.forget(routingKey);
      this.logger.info({ routingKey, failedCount: before.count, since: before.since }, 'RabbitMQ takes publishes again');
      return;
    }
    if (before === undefined && this.failing.size >= MAX_KEPT) return;
    const { kind, reason } = outcome;
    const since = before?.since ?? new Date();
    this.failing.set(routingKey, { routingKey, since, outcome: kind, reason, code, count: (before?.count ?? 0) + 1, lastAt: this.now() });
    if (before !== undefined) return;
    metrics.amqpPublishFailing.set({ routing_key: routingKey }, 1);
    this.logger.warn({ routingKey, outcome: kind, reason, code }, 'RabbitMQ refuses publishes; the outbox keeps the events');
  }

  private forget(routingKey: string): void {
    this.failing.delete(routingKey);
    metrics.amqpPublishFailing.set({ routing_key: routingKey }, 0);
  }
}
