import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import type { AlertsReport } from '#lib/contracts/alerts';
import { textOf } from './alerts.js';

const quiet: AlertsReport = { at: new Date().toISOString(), environment: 'staging', channels: [], items: [], lastSent: [] };
const shown = (report: AlertsReport) => stripVTControlCharacters(textOf(report, 200));

it('says that nothing fires, and who would hear of it', () => {
  expect(shown(quiet)).toMatch(/^staging, as of .* ago; told to the log\nnothing fires$/);
  expect(shown({ ...quiet, channels: ['Google Chat', 'webhook'] })).toContain('the log and Google Chat and webhook');
});

it('shows what fires, what mutes it, and what was sent', () => {
  const since = new Date(Date.now() - 60_000).toISOString();
  const firing = {
    alert: 'DBConnectionFailure',
    severity: 'P0',
    state: 'firing',
    labels: {},
    since,
    mutedBy: null,
    runbook: 'postgres-away.md',
  } as const;
  const text = shown({
    ...quiet,
    items: [
      { ...firing, summary: 'Postgres cannot be reached' },
      {
        ...firing,
        alert: 'OutboxStuck',
        severity: 'P1',
        summary: 'An event waits',
        mutedBy: 'DBConnectionFailure',
        runbook: 'outbox-old.md',
      },
    ],
    lastSent: [{ at: since, kind: 'firing', severity: 'P0', alert: 'DBConnectionFailure', summary: 'Postgres cannot be reached' }],
  });
  expect(text).toMatch(/P0\W+DBConnectionFailure\W+firing\W.*Postgres cannot be reached\W+postgres-away\.md/);
  expect(text).toMatch(/OutboxStuck\W+muted by DBConnectionFailure/);
  expect(text).toMatch(/last notices:[^]*P0\W+firing\W+DBConnectionFailure/);
});
