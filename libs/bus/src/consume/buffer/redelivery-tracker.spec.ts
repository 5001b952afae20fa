import { describe, expect, it } from 'vitest';
import { aMessageCreated } from '#lib/testing/builders';
import { aDelivery, aReceived } from '../../builders.contract.js';
import { RedeliveryTracker } from './redelivery-tracker.js';
import { forNextAttempt, header, toWireMessage } from '../../wire-message.js';

const event = aMessageCreated();
const again = { isRedelivered: true, generation: 2, returnCount: 1 };

describe('Twins', () => {
  it('lets the work go on with the new delivery when the old one broke away', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    const second = aDelivery(again, event);
    expect(twins.recognise(second)).toBe('in-progress');
    expect(held.delivery).toBe(second);
  });

  it('settles again what was finished and came back because the acknowledgement got lost', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    twins.finished(held);
    expect(twins.recognise(aDelivery(again, event))).toBe('finished');
    expect(twins.recognise(aDelivery({ ...again, generation: 3 }, event))).toBe('finished');
  });

  it('takes for new what the broker does not call redelivered: it was published twice', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    expect(twins.recognise(aDelivery({ tag: 2 }, event))).toBe('new');
    twins.finished(held);
    expect(twins.recognise(aDelivery({ tag: 3 }, event))).toBe('new');
  });

  it('takes for new the next try, and a replay of the same event', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.finished(held);
    const message = toWireMessage(event);
    expect(twins.recognise(aDelivery({ ...forNextAttempt(message), ...again }))).toBe('new');
    const replayed = { ...message.headers, [header.replayed]: 1 };
    expect(twins.recognise(aDelivery({ ...again, headers: replayed }, event))).toBe('new');
  });

  it('takes for new what was let go without being finished', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    twins.forget(held);
    expect(twins.recognise(aDelivery(again, event))).toBe('new');
  });

  it('recognises nothing that has no id', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event, { id: undefined });
    twins.track(held);
    twins.finished(held);
    expect(twins.recognise(aDelivery({ ...again, id: undefined }, event))).toBe('new');
  });

  it('remembers a limited number', () => {
    const twins = new RedeliveryTracker();
    const events = Array.from({ length: 10_050 }, () => aMessageCreated());
    for (const each of events) twins.finished(aReceived(each));
    expect(twins.recognise(aDelivery(again, events[0]))).toBe('new');
    expect(twins.recognise(aDelivery(again, events.at(-1)))).toBe('finished');
  });
});
