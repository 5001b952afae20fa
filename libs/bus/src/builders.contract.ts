import type { DependencyName } from '#lib/contracts/dependencies';
import type { MessageCreated } from '#lib/contracts/events';
import type { PipelineRow, RequestRow } from '#lib/contracts/pipeline';
import type { BreakerState } from '#lib/resilience/call/dependency-call';
import { aMessageCreated } from '#lib/testing/builders';
import { PoisonDetector } from './consume/buffer/poison-detector.js';
import type { Received } from './consume/buffer/received.js';
import type { Delivery } from './consume/source/delivery.js';
import type { BreakerView } from './consume/pause.js';
import { toWireMessage } from './wire-message.js';

/** A delivery as a transport would make it from `event`; `facts` overrides any of it. */
export const aDelivery = (facts: Partial<Delivery> = {}, event: MessageCreated = aMessageCreated()): Delivery => ({
  ...toWireMessage(event),
  queue: 'embedding.messages',
  generation: 1,
  tag: 1,
  isRedelivered: false,
  returnCount: 0,
  ...facts,
});

/** A decoded delivery on its way to a handler. */
export const aReceived = (event: MessageCreated = aMessageCreated(), facts: Partial<Delivery> = {}): Received => ({
  delivery: aDelivery(facts, event),
  event,
  receivedAt: performance.now(),
  wasHeld: false,
  poison: new PoisonDetector(),
});

/** A row of events with plausible numbers; `row` overrides any of them. Tests use it instead of rows of the product, which may change. */
export const aRow = (row: Partial<PipelineRow> = {}): PipelineRow => ({
  kind: 'events',
  producers: ['gateway'],
  app: 'embedding',
  handler: 'apps/embedding/src/adapters/amqp/messages.consumer.ts',
  hears: ['message.created', 'message.edited', 'message.deleted'],
  emits: ['message.embedded'],
  batch: { size: 10, waitMs: 10 },
  concurrency: 2,
  attempts: 3,
  deadlineMs: 5_000,
  pausesWith: ['chroma', 'embedder', 'postgres'],
  deduplicate: false,
  maxLength: 10_000,
  ...row,
});

/** A row of requests with plausible numbers; `row` overrides any of them. */
export const aRequestRow = (row: Partial<RequestRow> = {}): RequestRow => ({
  kind: 'requests',
  producers: ['gateway'],
  app: 'embedding',
  handler: 'apps/embedding/src/embedding.module.ts',
  timeoutMs: 1_000,
  maxWaiting: 100,
  maxBytes: 10_000,
  ...row,
});

/** Breakers that a test switches by hand. */
export class SwitchedBreakers implements BreakerView {
  private readonly states = new Map<DependencyName, BreakerState>();
  private readonly listeners = new Set<(dependency: DependencyName, state: BreakerState) => void>();

  stateOf(dependency: DependencyName): BreakerState {
    return this.states.get(dependency) ?? 'closed';
  }

  onChange(listener: (dependency: DependencyName, state: BreakerState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  switch(dependency: DependencyName, state: BreakerState): void {
    this.states.set(dependency, state);
    for (const listener of this.listeners) listener(dependency, state);
  }
}
