import { describe, expect, it } from 'vitest';
import { CronNightlySchedule } from './cron-nightly-schedule.js';

const HOUR_MS = 3_600_000;

/** The turns that a process sees which looks every ten minutes. */
const turnsSeen = (schedule: CronNightlySchedule, from: string, to: string): string[] => {
  const seen = new Set<string>();
  for (let now = Date.parse(from); now <= Date.parse(to); now += 600_000) {
    const turn = schedule.latest(new Date(now));
    if (turn !== undefined && turn.at.getTime() > Date.parse(from)) seen.add(`${turn.date} ${turn.at.toISOString()}`);
  }
  return [...seen];
};

describe('the schedule of the night', () => {
  it('has one turn a day at the local time', () => {
    const schedule = new CronNightlySchedule('03:00', 'Asia/Ho_Chi_Minh');
    expect(schedule.latest(new Date('2026-05-01T19:59:59.900Z'))?.date).toBe('2026-05-01');
    expect(schedule.latest(new Date('2026-05-01T20:00:00.000Z'))).toEqual({ date: '2026-05-02', at: new Date('2026-05-01T20:00:00Z') });
    expect(schedule.latest(new Date('2026-05-02T19:00:00Z'))?.date).toBe('2026-05-02');
  });

  it.each([
    ['is as much later where the clock is put forward over it', 'Europe/Berlin', '2026-03-28', '2026-03-30', '2026-03-29T01:30:00.000Z'],
    ['is the first of two where the clock is put back over it', 'Europe/Berlin', '2026-10-24', '2026-10-26', '2026-10-25T00:30:00.000Z'],
    ['is as much later in another zone too', 'America/New_York', '2026-03-07', '2026-03-09', '2026-03-08T07:30:00.000Z'],
  ])('%s', (_, timeZone, before, after, at) => {
    const schedule = new CronNightlySchedule('02:30', timeZone);
    const seen = turnsSeen(schedule, `${before}T12:00:00Z`, `${after}T12:00:00Z`);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toBe(`${at.slice(0, 10)} ${at}`);
  });

  it('leaves out no date of a year and repeats none', () => {
    const schedule = new CronNightlySchedule('02:30', 'Europe/Berlin');
    const dates = new Set<string>();
    for (let now = Date.parse('2026-01-01T12:00:00Z'); now < Date.parse('2027-01-01T00:00:00Z'); now += 6 * HOUR_MS) {
      dates.add(schedule.latest(new Date(now))?.date ?? '');
    }
    expect(dates.size).toBe(365);
  });
});
