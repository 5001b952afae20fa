import { describe, expect, it } from 'vitest';
import { aMessageCreated } from '#lib/testing/builders';
import { aDelivery, aReceived } from '../../builders.contract.js';
import { RedeliveryTracker } from './redelivery-tracker.js';
import { forNextAttempt, header, toWireMessage } from '../../wire-message.js';

const event = aMessageCreated();
const again = { isRedelivered: true, generation: 2, returnCount: 1 };

describe('RedeliveryTracker', () => {
  it('work in progress takes over the redelivery after a lost channel', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    const second = aDelivery(again, event);
    expect(twins.recognise(second)).toBe('in-progress');
    expect(held.delivery).toBe(second);
  });

  it('finished work that is redelivered after a lost acknowledgement is recognised as finished', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    twins.finished(held);
    expect(twins.recognise(aDelivery(again, event))).toBe('finished');
    expect(twins.recognise(aDelivery({ ...again, generation: 3 }, event))).toBe('finished');
  });

  it('a delivery without the redelivered flag is new: it was published twice', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    expect(twins.recognise(aDelivery({ tag: 2 }, event))).toBe('new');
    twins.finished(held);
    expect(twins.recognise(aDelivery({ tag: 3 }, event))).toBe('new');
  });

  it('the next attempt and a replay of the same event are new', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.finished(held);
    const message = toWireMessage(event);
    expect(twins.recognise(aDelivery({ ...forNextAttempt(message), ...again }))).toBe('new');
    const replayed = { ...message.headers, [header.replayed]: 1 };
    expect(twins.recognise(aDelivery({ ...again, headers: replayed }, event))).toBe('new');
  });

  it('a delivery forgotten before it finished is new', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event);
    twins.track(held);
    twins.forget(held);
    expect(twins.recognise(aDelivery(again, event))).toBe('new');
  });

  it('a message without an id is never recognised', () => {
    const twins = new RedeliveryTracker();
    const held = aReceived(event, { id: undefined });
    twins.track(held);
    twins.finished(held);
    expect(twins.recognise(aDelivery({ ...again, id: undefined }, event))).toBe('new');
  });

  it('the tracker keeps a limited number of finished deliveries', () => {
    const twins = new RedeliveryTracker();
    const events = Array.from({ length: 10_050 }, () => aMessageCreated());
    for (const each of events) twins.finished(aReceived(each));
    expect(twins.recognise(aDelivery(again, events[0]))).toBe('new');
    expect(twins.recognise(aDelivery(again, events.at(-1)))).toBe('finished');
  });
});
