import type { Notice } from './notice.js';

/** A notice with plausible data, for tests. */
export const aNotice = (facts: Partial<Notice> = {}): Notice => ({
  kind: 'firing',
  severity: 'P0',
  alert: 'DBConnectionFailure',
  fingerprint: 'f1',
  labels: {},
  summary: 'Postgres cannot be reached from 2 processes',
  detail: 'Requests get 503.',
  runbook: 'postgres-away.md',
  since: 1_000,
  at: 2_000,
  suppressedCount: 0,
  ...facts,
});
