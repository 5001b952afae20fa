import type { MessageCreated } from '#lib/contracts/events';
import { aMessageCreated } from '#lib/testing/builders';
import type { Delivery } from './consume/delivery.js';
import type { Received } from './consume/buffer/received.js';
import { PoisonDetector } from './consume/buffer/poison-detector.js';
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

/** A decoded delivery on its way through the stack. */
export const aReceived = (event: MessageCreated = aMessageCreated(), facts: Partial<Delivery> = {}): Received => ({
  delivery: aDelivery(facts, event),
  event,
  receivedAt: performance.now(),
  wasHeld: false,
  poison: new PoisonDetector(),
});
