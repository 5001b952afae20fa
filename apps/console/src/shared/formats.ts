import type { Language } from '../i18n/language.js';
import { useLanguage } from '../i18n/language.js';

const formatsOf = (language: Language) => {
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 1 });
  const time = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const seconds = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  const day = new Intl.DateTimeFormat(language, { weekday: 'short', day: 'numeric', month: 'short' });
  const full = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' });
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
  };
  return {
    number: (value: number) => number.format(value),
    percent: (share: number) => percent.format(share),
    /** 14:05. */
    time: (moment: string | number) => time.format(new Date(moment)),
    /** 14:05:09. */
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
      return units.megabyte.format(count / 1_000_000);
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
};

/** How numbers, sizes and moments are written in one language. Times are those of the browser's zone. */
export type Formats = ReturnType<typeof formatsOf>;

const made = new Map<Language, Formats>();

export function formatsIn(language: Language): Formats {
  const found = made.get(language) ?? formatsOf(language);
  made.set(language, found);
  return found;
}

export const useFormats = (): Formats => formatsIn(useLanguage());
