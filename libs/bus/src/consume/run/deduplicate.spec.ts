import { describe, expect, it } from 'vitest';
import { MemoryInbox } from '#lib/database/inbox/adapters/memory-inbox';
import { aMessageCreated } from '#lib/testing/builders';
import { aReceived } from '../../builders.contract.js';
import { deduplicate } from './deduplicate.js';
import type { Received } from '../buffer/received.js';

const deduplicated = (inbox = new MemoryInbox()) => {
  const runs: Received[][] = [];
  const run = deduplicate(
    inbox,
    'q',
  )(async (items) => {
    runs.push([...items]);
    return [];
  });
  return { inbox, run, runs };
};

describe('deduplicate', () => {
  it('an event passes once, and not a second time', async () => {
    const { run, runs } = deduplicated();
    const [one, two] = [aReceived(), aReceived()];
    await run([one]);
    await run([one, two]);
    await run([one, two]);
    expect(runs).toEqual([[one], [two]]);
  });

  it('one of two equal events in a batch passes', async () => {
    const event = aMessageCreated();
    const { run, runs } = deduplicated();
    const [first, copy] = [aReceived(event), aReceived(event)];
    await run([first, copy]);
    expect(runs).toEqual([[first]]);
  });

  it('a failed handler stores no id', async () => {
    const inbox = new MemoryInbox();
    const item = aReceived();
    const failing = deduplicate(inbox, 'q')(() => Promise.reject(new Error('fails')));
    await expect(failing([item])).rejects.toThrow('fails');
    expect(await inbox.unseen('q', [item.event.eventId])).toEqual(new Set([item.event.eventId]));
  });
});
