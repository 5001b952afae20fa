import { describe, expect, it } from 'vitest';
import { aMessageCreated } from '#lib/testing/builders';
import { aDelivery, aReceived } from '../../builders.contract.js';
import { RedeliveryTracker } from './redelivery-tracker.js';
import { forNextAttempt, header, toWireMessage } from '../../wire-message.js';

const event = aMessageCreated();
const again = { isRedelivered: true, generation: 2, returnCount: 1 };

describe('RedeliveryTracker', () => {
  it('work in progress takes over the redelivery after a lost channel', () => {
    const tracker = new RedeliveryTracker();
    const work = aReceived(event);
    tracker.track(work);
    const second = aDelivery(again, event);
    expect(tracker.recognise(second)).toBe('in-progress');
    expect(work.delivery).toBe(second);
  });

  it('finished work that is redelivered after a lost acknowledgement is recognised as finished', () => {
    const tracker = new RedeliveryTracker();
    const work = aReceived(event);
    tracker.track(work);
    tracker.finished(work);
    expect(tracker.recognise(aDelivery(again, event))).toBe('finished');
    expect(tracker.recognise(aDelivery({ ...again, generation: 3 }, event))).toBe('finished');
  });

  it('a delivery without the redelivered flag is new: it was published twice', () => {
    const tracker = new RedeliveryTracker();
    const work = aReceived(event);
    tracker.track(work);
    expect(tracker.recognise(aDelivery({ tag: 2 }, event))).toBe('new');
    tracker.finished(work);
    expect(tracker.recognise(aDelivery({ tag: 3 }, event))).toBe('new');
  });

  it('the next attempt and a replay of the same event are new', () => {
    const tracker = new RedeliveryTracker();
    const work = aReceived(event);
    tracker.finished(work);
    const message = toWireMessage(event);
    expect(tracker.recognise(aDelivery({ ...forNextAttempt(message), ...again }))).toBe('new');
    const replayed = { ...message.headers, [header.replayed]: 1 };
    expect(tracker.recognise(aDelivery({ ...again, headers: replayed }, event))).toBe('new');
  });

  it('a delivery forgotten before it finished is new', () => {
    const tracker = new RedeliveryTracker();
    const work = aReceived(event);
    tracker.track(work);
    tracker.forget(work);
    expect(tracker.recognise(aDelivery(again, event))).toBe('new');
  });

  it('a message without an id is never recognised', () => {
    const tracker = new RedeliveryTracker();
    const work = aReceived(event, { id: undefined });
    tracker.track(work);
    tracker.finished(work);
    expect(tracker.recognise(aDelivery({ ...again, id: undefined }, event))).toBe('new');
  });

  it('the tracker keeps a limited number of finished deliveries', () => {
    const tracker = new RedeliveryTracker();
    const events = Array.from({ length: 10_050 }, () => aMessageCreated());
    for (const each of events) tracker.finished(aReceived(each));
    expect(tracker.recognise(aDelivery(again, events[0]))).toBe('new');
    expect(tracker.recognise(aDelivery(again, events.at(-1)))).toBe('finished');
  });
});
