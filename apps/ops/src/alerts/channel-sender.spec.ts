import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { AlertChannelPort, ChannelBusy } from './alert-channel.port.js';
import { ChannelSender, SENDER, type SenderSettings } from './channel-sender.js';
import type { Notice } from './notice.js';
import { aNotice } from './notice.contract.js';

/** A channel that does as it is told. */
class ScriptedChannel extends AlertChannelPort {
  readonly name = 'scripted';
  readonly asked: Notice[] = [];
  readonly taken: Notice[] = [];
  answer: (notice: Notice) => Promise<void> = async () => undefined;
  /** What happens to a call in flight when the connections are closed. */
  hangUp: () => void = () => undefined;

  override close(): void {
    this.hangUp();
  }

  async send(notice: Notice): Promise<void> {
    this.asked.push(notice);
    await this.answer(notice);
    this.taken.push(notice);
  }
}

const FAST: SenderSettings = {
  everyMs: 1,
  tries: 3,
  backoff: { baseMs: 1, capMs: 2 },
  missedEveryMs: 20,
  longestPauseMs: 50,
  lastWordsMs: 5_000,
};
const lines: string[] = [];
const logger = createLogger('test', 'info', { write: (line) => void lines.push(line) });
const open: ChannelSender[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((sender) => sender.stop()));
  lines.length = 0;
});
const started = (settings: Partial<SenderSettings> = {}, limit?: number) => {
  const channel = new ScriptedChannel();
  const sender = new ChannelSender(channel, logger, { ...FAST, ...settings }, limit);
  open.push(sender);
  sender.start();
  return { channel, sender };
};
const away = async () => {
  throw new Error('away');
};

describe('a channel of alerts', () => {
  it('is sent one notice a second, tries each three times, and believes no pause of more than ten minutes', () => {
    expect(SENDER).toMatchObject({ everyMs: 1_000, tries: 3, longestPauseMs: 600_000 });
  });

  it('keeps its pace', async () => {
    const { channel, sender } = started({ everyMs: 50 });
    const startedAt = performance.now();
    for (let i = 0; i < 5; i += 1) sender.offer(aNotice({ fingerprint: String(i) }));
    await eventually(() => expect(channel.taken).toHaveLength(5));
    expect(performance.now() - startedAt).toBeGreaterThan(190);
  });

  it('that fails is tried three times; what it missed comes as one notice when it works again', async () => {
    const { channel, sender } = started();
    channel.answer = away;
    for (const fingerprint of ['a', 'b', 'c']) sender.offer(aNotice({ fingerprint, alert: `Alert-${fingerprint}` }));
    await eventually(() => expect(sender.load).toEqual({ waiting: 0, missed: 3 }));
    expect(channel.asked.filter(({ fingerprint }) => fingerprint === 'a')).toHaveLength(3);
    channel.answer = async () => undefined;
    await eventually(() => expect(channel.taken).toHaveLength(1));
    expect(channel.taken[0]).toMatchObject({
      kind: 'missed',
      severity: 'P0',
      summary: expect.stringMatching(/^3 notices could not be sent/),
    });
    for (const name of ['Alert-a', 'Alert-b', 'Alert-c']) expect(channel.taken[0]?.detail).toContain(name);
    await eventually(() => expect(sender.load).toEqual({ waiting: 0, missed: 0 }));
    expect(lines.filter((line) => line.includes('cannot be sent'))).toHaveLength(1);
  });

  it('that is away for long costs no memory without end, and one notice at its return', async () => {
    const { channel, sender } = started({ tries: 1 }, 50);
    channel.answer = away;
    for (let i = 0; i < 5_000; i += 1) {
      sender.offer(aNotice({ fingerprint: `f${i}`, severity: i % 2 === 0 ? 'P0' : 'P1' }));
      expect(sender.load.waiting).toBeLessThanOrEqual(50);
    }
    await eventually(() => expect(sender.load.waiting).toBe(0));
    expect(sender.load.missed).toBe(100);
    channel.answer = async () => undefined;
    await eventually(() => expect(channel.taken.map(({ kind }) => kind)).toEqual(['missed']));
    expect(channel.taken[0]?.summary).toMatch(/^5000 notices/);
  });

  it('is told of what it missed while it was told of what it had missed before', async () => {
    const { channel, sender } = started({}, 1);
    const { promise, resolve } = Promise.withResolvers<void>();
    channel.answer = away;
    sender.offer(aNotice({ fingerprint: 'a', alert: 'Alert-a', severity: 'P1' }));
    await eventually(() => expect(sender.load).toEqual({ waiting: 0, missed: 1 }));
    const before = channel.asked.length;
    channel.answer = () => promise;
    await eventually(() => expect(channel.asked.length).toBeGreaterThan(before));
    // Only one has a place in line.
    for (const fingerprint of ['b', 'c']) sender.offer(aNotice({ fingerprint, alert: `Alert-${fingerprint}` }));
    expect(sender.load.missed).toBe(2);
    resolve();
    await eventually(() => expect(sender.load).toEqual({ waiting: 0, missed: 0 }));
    const told = channel.taken.map(({ detail }) => [...detail.matchAll(/Alert-./g)].join());
    expect(told).toEqual(['Alert-a', 'Alert-b,Alert-c']);
  });

  it('that hangs holds up its own notices only, and lets a P0 go first afterwards', async () => {
    const { channel, sender } = started();
    const { promise, resolve } = Promise.withResolvers<void>();
    channel.answer = () => promise;
    sender.offer(aNotice({ fingerprint: 'hanging', severity: 'P1' }));
    await eventually(() => expect(channel.asked).toHaveLength(1));
    for (let i = 0; i < 100; i += 1) sender.offer(aNotice({ fingerprint: `p1-${i}`, severity: 'P1' }));
    sender.offer(aNotice({ fingerprint: 'p0', severity: 'P0' }));
    const other = started();
    other.sender.offer(aNotice());
    await eventually(() => expect(other.channel.taken).toHaveLength(1));
    resolve();
    await eventually(() => expect(channel.taken.length).toBeGreaterThan(2));
    expect(channel.taken.slice(0, 2).map(({ fingerprint }) => fingerprint)).toEqual(['hanging', 'p0']);
  });

  it('that asks for a pause gets it, and the notice after it', async () => {
    const { channel, sender } = started();
    let refusals = 0;
    channel.answer = async () => {
      if (refusals++ < 5) throw new ChannelBusy(30);
    };
    const startedAt = performance.now();
    sender.offer(aNotice());
    await eventually(() => expect(channel.taken).toHaveLength(1));
    expect(performance.now() - startedAt).toBeGreaterThan(140);
    expect(channel.asked).toHaveLength(6);
    expect(sender.load).toEqual({ waiting: 0, missed: 0 });
  });

  it('gets what waits before it ends: other processes take it for told', async () => {
    const { channel, sender } = started({ everyMs: 50 });
    for (const fingerprint of ['a', 'b', 'c']) sender.offer(aNotice({ fingerprint }));
    await sender.stop();
    expect(channel.taken.map(({ fingerprint }) => fingerprint)).toEqual(['a', 'b', 'c']);
  });

  it('that hangs is waited for at the end for a moment only, and one that fails is not tried again', async () => {
    const hanging = started({ lastWordsMs: 50 });
    hanging.channel.answer = () => new Promise((_, reject) => (hanging.channel.hangUp = () => reject(new Error('closed'))));
    const failing = started();
    failing.channel.answer = away;
    for (const { channel, sender } of [hanging, failing]) {
      sender.offer(aNotice());
      sender.offer(aNotice({ fingerprint: 'another' }));
      await sender.stop();
      expect(channel.asked).toHaveLength(1);
    }
  });

  it('ends at once, also in a pause', async () => {
    const { channel, sender } = started({ longestPauseMs: 60_000 });
    channel.answer = async () => {
      throw new ChannelBusy(60_000);
    };
    sender.offer(aNotice());
    await eventually(() => expect(channel.asked).toHaveLength(1));
    const startedAt = performance.now();
    await sender.stop();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
