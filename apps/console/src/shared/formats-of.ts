/** A clock of 12 or 24 hours. */
export type HourCycle = 'h11' | 'h12' | 'h23' | 'h24';

/** What the formats depend on. */
export interface Locale {
  /** Language and, where it is known, region, as `en-GB`. */
  readonly name: string;
  readonly hourCycle: HourCycle;
}

/**
 * The chosen language with the region of the first of the browser's languages that is the same, and with the browser's clock: whether it is
 * 14:05 or 2:05 PM depends on the user and not on the language.
 */
export function localeOf(language: string, ofBrowser: readonly string[]): Locale {
  const name = ofBrowser.find((each) => each.split('-')[0] === language) ?? language;
  const { hourCycle = 'h23' } = new Intl.DateTimeFormat(ofBrowser[0], { hour: 'numeric' }).resolvedOptions();
  return { name, hourCycle };
}

/** How numbers, sizes and moments are written. Times are those of the zone of the browser. */
export function formatsOf({ name: language, hourCycle }: Locale) {
  const hour = hourCycle === 'h23' || hourCycle === 'h24' ? '2-digit' : 'numeric';
  const clock = { hour, minute: '2-digit', hourCycle } as const;
  const date = { day: 'numeric', month: 'short' } as const;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 1 });
  const time = new Intl.DateTimeFormat(language, clock);
  const seconds = new Intl.DateTimeFormat(language, { ...clock, second: '2-digit' });
  const day = new Intl.DateTimeFormat(language, { weekday: 'short', ...date });
  const full = new Intl.DateTimeFormat(language, { ...date, year: 'numeric', ...clock, second: '2-digit' });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const unit = (name: string, digits = 1) =>
    new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits });
  const units = {
    minute: unit('minute', 0),
    hour: unit('hour', 0),
    day: unit('day', 0),
    byte: unit('byte', 0),
    kilobyte: unit('kilobyte'),
    megabyte: unit('megabyte'),
    gigabyte: unit('gigabyte'),
  };
  return {
    number: (value: number) => number.format(value),
    /** Of something each second: one that is small is not 0. */
    rate: (value: number) => (value > 0 && value < 0.05 ? `<${number.format(0.1)}` : number.format(value)),
    percent: (share: number) => percent.format(share),
    /** 14:05, or 2:05 PM. */
    time: (moment: string | number) => time.format(new Date(moment)),
    /** 14:05:09, or 2:05:09 PM. */
    seconds: (moment: string | number) => seconds.format(new Date(moment)),
    /** 14:05 for today, else Sat, 22 Nov. */
    moment: (moment: string | number) => {
      const at = new Date(moment);
      return at.toDateString() === new Date().toDateString() ? time.format(at) : day.format(at);
    },
    /** Sat, 22 Nov. */
    day: (moment: string | number) => day.format(new Date(moment)),
    full: (moment: string | number) => full.format(new Date(moment)),
    /** 12 ms, 1.4 s, 3 min. */
    duration: (ms: number) => {
      // Symbols of the SI are the same in every language, and shorter than its words.
      if (ms < 1_000) return `${number.format(Math.round(ms))} ms`;
      if (ms < 120_000) return `${number.format(ms / 1_000)} s`;
      if (ms < 7_200_000) return units.minute.format(ms / 60_000);
      if (ms < 172_800_000) return units.hour.format(ms / 3_600_000);
      return units.day.format(ms / 86_400_000);
    },
    bytes: (count: number) => {
      if (count < 1_000) return units.byte.format(count);
      if (count < 1_000_000) return units.kilobyte.format(count / 1_000);
      if (count < 1_000_000_000) return units.megabyte.format(count / 1_000_000);
      return units.gigabyte.format(count / 1_000_000_000);
    },
    /** 3 minutes ago. */
    ago: (moment: string | number, now = Date.now()) => {
      const seconds = Math.round((new Date(moment).getTime() - now) / 1_000);
      if (seconds > -60) return relative.format(Math.min(0, seconds), 'second');
      if (seconds > -3_600) return relative.format(Math.round(seconds / 60), 'minute');
      if (seconds > -86_400) return relative.format(Math.round(seconds / 3_600), 'hour');
      return relative.format(Math.round(seconds / 86_400), 'day');
    },
  };
}

export type Formats = ReturnType<typeof formatsOf>;
