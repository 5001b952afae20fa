import { Cron } from 'croner';
import { NightlySchedulePort, type Turn } from '../nightly/nightly-schedule.port.js';

/** croner counts in whole seconds and names only turns before the given one. */
const ONE_SECOND_MS = 1_000;

/**
 * Every day at the same local time. Where the clock is put forward over that time, the turn is as much later; where it is put back, the first of the
 * two counts: a night is neither left out nor run twice.
 */
export class CronNightlySchedule extends NightlySchedulePort {
  private readonly cron: Cron;
  private readonly dates: Intl.DateTimeFormat;

  /** @param at `HH:MM`. @param timeZone of the IANA database. */
  constructor(at: string, timeZone: string) {
    super();
    const [hours, minutes] = at.split(':').map(Number);
    this.cron = new Cron(`${minutes} ${hours} * * *`, { timezone: timeZone, paused: true });
    this.dates = new Intl.DateTimeFormat('sv-SE', { timeZone }); // YYYY-MM-DD
  }

  latest(now: Date): Turn | undefined {
    const at = this.cron.previousRuns(2, new Date(now.getTime() + ONE_SECOND_MS)).find((turn) => turn <= now);
    return at === undefined ? undefined : { date: this.dates.format(at), at };
  }
}
