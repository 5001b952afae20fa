import { describe, expect, it } from 'vitest';
import { newEvent, type ParleyEvent } from '#lib/contracts/events';
import { aMessageCreated } from '#lib/testing/builders';
import { aReceived } from '../../builders.contract.js';
import { emit } from './emit.js';
import { Interrupted } from '../../outcome.js';
import { type EventHeaders, PublisherPort, type PublishOutcome } from '../../publish/publisher.port.js';
import { toWireMessage } from '../../wire-message.js';

/** Answers each publish with the next of its outcomes, and with the last one for ever. */
class ScriptedPublisher extends PublisherPort {
  readonly isHealthy = true;
  readonly published: { event: ParleyEvent; headers: EventHeaders | undefined }[] = [];

  constructor(private readonly outcomes: PublishOutcome[]) {
    super();
  }

  async publish(event: ParleyEvent, headers?: EventHeaders): Promise<PublishOutcome> {
    this.published.push({ event, headers });
    const [next, ...rest] = this.outcomes;
    if (rest.length > 0) this.outcomes.shift();
    return next ?? { kind: 'confirmed' };
  }
}

const source = aMessageCreated();
const follows = newEvent('message.embedded', {
  messageId: source.data.messageId,
  conversationId: source.conversationId,
  seq: 1,
  messageVersion: 1,
  chunkCount: 1,
  model: 'm',
});
const received = aReceived(source, toWireMessage(source, { requestId: 'r1' }));

const emitting = (publisher: PublisherPort, signal = new AbortController().signal) =>
  emit({ publisher, emits: ['message.embedded'], signal })(async () => [follows]);

describe('emit', () => {
  it('a run resolves when the broker has its events, published with the ids of their cause', async () => {
    const publisher = new ScriptedPublisher([{ kind: 'confirmed' }]);
    expect(await emitting(publisher)([aReceived(), received])).toEqual([follows]);
    expect(publisher.published).toEqual([{ event: follows, headers: { requestId: 'r1', traceparent: undefined } }]);
  });

  it('a run that has very many events leaves places of the publisher to others', async () => {
    const publisher = new ScriptedPublisher([{ kind: 'confirmed' }]);
    let [inFlight, most] = [0, 0];
    const publish = publisher.publish.bind(publisher);
    publisher.publish = async (event) => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise(setImmediate);
      inFlight -= 1;
      return publish(event);
    };
    const events = Array.from({ length: 1_000 }, () => ({ ...follows, eventId: crypto.randomUUID() }));
    await emit({ publisher, emits: ['message.embedded'], signal: new AbortController().signal })(async () => events)([received]);
    expect([publisher.published.length, most]).toEqual([1_000, 128]);
  });

  it('a refused event is published again under the same id, without calling the handler again', async () => {
    const publisher = new ScriptedPublisher([
      { kind: 'nacked', reason: 'full' },
      { kind: 'ambiguous', reason: 'silence' },
      { kind: 'confirmed' },
    ]);
    let calls = 0;
    const run = emit({ publisher, emits: ['message.embedded'], signal: new AbortController().signal })(async () => {
      calls += 1;
      return [follows];
    });
    await run([received]);
    expect(calls).toBe(1);
    expect(publisher.published.map(({ event }) => event.eventId)).toEqual([follows.eventId, follows.eventId, follows.eventId]);
  });

  it('a stopping process interrupts the run, so that the delivery is not settled', async () => {
    const stopping = new AbortController();
    const publisher = new ScriptedPublisher([{ kind: 'nacked', reason: 'away' }]);
    const running = emitting(publisher, stopping.signal)([received]);
    stopping.abort();
    await expect(running).rejects.toThrow(Interrupted);
  });

  it('an event that the row does not emit is refused before anything is published', async () => {
    const publisher = new ScriptedPublisher([{ kind: 'confirmed' }]);
    const run = emit({ publisher, emits: [], signal: new AbortController().signal })(async () => [follows]);
    await expect(run([received])).rejects.toThrow(/message\.embedded is not among/);
    expect(publisher.published).toEqual([]);
  });
});
