import { createHash } from 'node:crypto';
import type { Severity } from './rules.js';

/** What a channel is told. Text holds names and numbers, never what users wrote, and no URL of a channel. */
export interface Notice {
  readonly kind: 'firing' | 'resolved' | 'digest' | 'missed';
  readonly severity: Severity;
  /** Name of the rule; of a digest or of what was missed its kind. */
  readonly alert: string;
  /** Notices of one alert have the same: a channel puts them into one thread. */
  readonly fingerprint: string;
  readonly labels: Readonly<Record<string, string>>;
  /** One line: what is wrong. */
  readonly summary: string;
  /** What it means, or the lines of a digest. */
  readonly detail: string;
  /** Page in the documentation; undefined where there is none. */
  readonly runbook: string | undefined;
  /** When it began, in milliseconds since 1970. */
  readonly since: number;
  /** When this notice was made. */
  readonly at: number;
  /** How often the alert was found true since the notice before, this time not counted. */
  readonly suppressedCount: number;
}

/** SHA-1 of what an alert is about; a graver alert about the same thing shares it, so that they share a thread. */
export const fingerprintOf = (subject: string, labels: Readonly<Record<string, string>>, environment: string): string =>
  createHash('sha1')
    .update(JSON.stringify([subject, environment, Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1))]))
    .digest('hex');
