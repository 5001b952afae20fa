import { describe, expect, it } from 'vitest';
import { seededRandom } from '#lib/testing/random';
import type { Notice } from './notice.js';
import { aNotice } from './notice.contract.js';
import { NoticeQueue } from './notice-queue.js';
import { type Severity, severities } from './rules.js';

const drained = (queue: NoticeQueue): Notice[] => {
  const all: Notice[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) all.push(next);
  return all;
};

describe('notices that wait', () => {
  it('are sent P0 first, each severity in the order of its coming', () => {
    const queue = new NoticeQueue();
    for (const [index, severity] of (['P2', 'P1', 'P0', 'P1', 'P0'] as const).entries())
      queue.add(aNotice({ severity, fingerprint: `${index}` }));
    expect(drained(queue).map(({ fingerprint }) => fingerprint)).toEqual(['2', '4', '1', '3', '0']);
  });

  it('are one for each alert, and count what they stand for', () => {
    const queue = new NoticeQueue();
    for (const suppressedCount of [3, 0, 59]) queue.add(aNotice({ suppressedCount }));
    queue.add(aNotice({ kind: 'resolved' }));
    expect(drained(queue).map(({ kind, suppressedCount }) => [kind, suppressedCount])).toEqual([
      ['firing', 64],
      ['resolved', 0],
    ]);
  });

  it('end with what is true now: whether an alert began again, or its beginning came back that could not be sent', () => {
    const queue = new NoticeQueue();
    for (const kind of ['firing', 'resolved', 'firing'] as const) queue.add(aNotice({ kind }));
    expect(drained(queue).map(({ kind }) => kind)).toEqual(['resolved', 'firing']);
    queue.add(aNotice());
    const beginning = queue.take();
    queue.add(aNotice({ kind: 'resolved' }));
    if (beginning !== undefined) queue.putBack(beginning);
    expect(drained(queue).map(({ kind }) => kind)).toEqual(['firing', 'resolved']);
  });

  it('say what is newest, also when an older one comes back that could not be sent', () => {
    const queue = new NoticeQueue();
    queue.add(aNotice({ summary: '7 wait', suppressedCount: 2 }));
    const older = queue.take();
    queue.add(aNotice({ summary: '9 wait', suppressedCount: 3 }));
    if (older !== undefined) queue.putBack(older);
    expect(drained(queue).map(({ summary, suppressedCount }) => [summary, suppressedCount])).toEqual([['9 wait', 6]]);
  });

  it.each([1, 2, 3, 4, 5])(
    'are never more than the limit, lose the oldest of the mildest, and no P0 for a milder one (seed %i)',
    (seed) => {
      const random = seededRandom(seed);
      const queue = new NoticeQueue(50);
      let model: { severity: Severity; fingerprint: string }[] = [];
      for (let i = 0; i < 1_000; i += 1) {
        const severity = severities[Math.floor(random() * 3)] ?? 'P2';
        const one = { severity, fingerprint: String(i) };
        const lost = queue.add(aNotice(one));
        model.push(one);
        const mildest = severities.findLast((each) => model.some((known) => known.severity === each));
        const expected = model.length <= 50 ? undefined : model.find((known) => known.severity === mildest);
        expect(lost?.fingerprint).toBe(expected?.fingerprint);
        model = model.filter((known) => known !== expected);
        expect(queue.size).toBeLessThanOrEqual(50);
        const isSent = random() < 0.2;
        const next = severities.flatMap((each) => model.filter((known) => known.severity === each))[0];
        expect(isSent ? queue.take()?.fingerprint : next?.fingerprint).toBe(next?.fingerprint);
        if (isSent) model = model.filter((known) => known !== next);
      }
    },
  );
});
