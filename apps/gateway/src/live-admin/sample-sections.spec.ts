import { afterEach, expect, it } from 'vitest';
import { withDeadline } from '#lib/resilience/call/deadline';
import { eventually } from '#lib/testing/eventually';
import { SampleSections } from './sample-sections.js';
import { type SectionSource, UnknownToSource } from './section-source.js';

const EVERY_MS = 10;
const leaving: (() => void)[] = [];
afterEach(() => leaving.splice(0).forEach((leave) => leave()));

const source = (name: SectionSource['name'], read: SectionSource['read'], withinMs = 50): SectionSource => ({
  name,
  everyMs: EVERY_MS,
  withinMs,
  read,
});
/** Follows, and keeps all that came. */
const following = (sections: SampleSections) => {
  const heard: { name: string; section: Record<string, unknown> }[] = [];
  const leave = sections.follow((name, json) => heard.push({ name, section: JSON.parse(json) as Record<string, unknown> }));
  leaving.push(leave);
  return { heard, leave, of: (name: string) => heard.filter((each) => each.name === name).map(({ section }) => section) };
};

it('nothing is looked at without readers, and once for all of them with some', async () => {
  let looks = 0;
  const sections = new SampleSections([source('outbox', () => ({ pending: (looks += 1) }))]);
  expect(looks).toBe(0);
  const readers = Array.from({ length: 20 }, () => following(sections));
  await eventually(() => expect(looks).toBeGreaterThan(3));
  await eventually(() => expect(readers.map(({ heard }) => heard.at(-1)?.section['pending'])).toEqual(readers.map(() => looks)));
  expect(readers.map(({ heard }) => heard.length)).toEqual(readers.map(() => looks));

  for (const { leave } of readers) leave();
  const then = looks;
  // A rhythm of a sampler that still runs: it would have looked some ten times.
  const other = following(new SampleSections([source('locks', () => ({ n: Math.random() }))]));
  await eventually(() => expect(other.heard.length).toBeGreaterThan(10));
  expect(looks).toBeLessThanOrEqual(then + 1);
});

it('a section that has not changed is not sent again, and a new reader gets it at once', async () => {
  let looks = 0;
  const sections = new SampleSections([
    source('locks', () => {
      looks += 1;
      return { items: [] };
    }),
  ]);
  const first = following(sections);
  await eventually(() => expect(looks).toBeGreaterThan(5));
  expect(first.of('locks')).toEqual([{ state: 'known', at: expect.any(String), items: [] }]);
  expect(following(sections).of('locks')).toEqual(first.of('locks'));
});

it('a source that hangs is unknown since its first look, and no other is late', async () => {
  let isHanging = true;
  let n = 0;
  const sections = new SampleSections([
    // Long enough for many looks of the other one, on a machine that is busy too.
    source('queues', () => (isHanging ? new Promise<object>(() => undefined) : { items: [] }), 500),
    source('outbox', () => ({ pending: (n += 1) })),
  ]);
  const { of } = following(sections);
  await eventually(() => expect(of('queues')).toHaveLength(1));
  expect(of('outbox').length).toBeGreaterThan(2);
  expect(of('queues')).toEqual([{ state: 'unknown', since: expect.any(String), reason: 'timeout' }]);
  const looksThen = n;
  await eventually(() => expect(n).toBeGreaterThan(looksThen + 10));
  expect(of('queues')).toHaveLength(1);
  isHanging = false;
  await eventually(() => expect(of('queues').at(-1)).toMatchObject({ state: 'known', items: [] }));
});

it('a source that fails says so without the text of its error, one that does not know says why', async () => {
  const sections = new SampleSections([
    source('queues', () => Promise.reject(Object.assign(new Error('connect 10.0.0.1:5672 with password'), { code: 'ECONNREFUSED' }))),
    source('advice', () => {
      throw new UnknownToSource('No process of the service ops answers.');
    }),
  ]);
  const { of } = following(sections);
  await eventually(() => expect([...of('queues'), ...of('advice')]).toHaveLength(2));
  expect(of('queues')[0]).toMatchObject({ state: 'unknown', reason: 'ECONNREFUSED' });
  expect(of('advice')[0]).toMatchObject({ state: 'unknown', reason: 'No process of the service ops answers.' });
});

it('looks go on when the request is over that began them', async () => {
  let n = 0;
  const sections = new SampleSections([source('outbox', () => ({ pending: (n += 1) }))]);
  const { of } = await withDeadline(30, async () => following(sections));
  await eventually(() => expect(n).toBeGreaterThan(20));
  expect(of('outbox').filter(({ state }) => state === 'unknown')).toEqual([]);
});
