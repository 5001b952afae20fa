import type { Command } from 'commander';
import pc from 'picocolors';
import type { AlertsReport } from '#lib/contracts/alerts';
import { tableOf } from '#lib/devstack/terminal/table';
import { askGateway } from '../operator/ask-gateway.js';
import { ago } from '../output/cells.js';
import { printJson } from '../output/print-json.js';

interface Options {
  readonly url?: string;
  readonly json?: boolean;
}

/** Adds `parley alerts`: what the alerter in `ops` holds for true, and what it told last. */
export function addAlertsCommand(program: Command): void {
  program
    .command('alerts')
    .description('alerts that fire or are about to, and the last notices that were sent')
    .option('--url <url>', 'gateway to ask')
    .option('--json', 'print {at, environment, channels, items, lastSent} as GET /v1/admin/alerts does')
    .action(showAlerts);
}

async function showAlerts({ url, json = false }: Options): Promise<void> {
  const report = await askGateway<AlertsReport>('/v1/admin/alerts', url);
  if (json) return printJson(report);
  console.log(textOf(report));
}

const COLOURS = { P0: pc.red, P1: pc.yellow, P2: pc.dim } as const;

/** The report for a terminal. */
export function textOf({ at, environment, channels, items, lastSent }: AlertsReport, columns?: number): string {
  const firing = items.map(({ severity, alert, state, since, summary, mutedBy, runbook }) => [
    COLOURS[severity](severity),
    alert,
    mutedBy === null ? state : `muted by ${mutedBy}`,
    ago(since),
    summary,
    runbook,
  ]);
  const sent = lastSent.map(({ at: when, kind, severity, alert, summary }) => [
    ago(when),
    COLOURS[severity](severity),
    kind,
    alert,
    summary,
  ]);
  return [
    `${environment}, as of ${ago(at)} ago; told to the log${channels.map((name) => ` and ${name}`).join('')}`,
    firing.length === 0 ? pc.green('nothing fires') : tableOf(['', 'alert', 'state', 'for', 'what', 'runbook'], firing, columns),
    ...(sent.length === 0 ? [] : ['last notices:', tableOf(['ago', '', 'kind', 'alert', 'what'], sent, columns)]),
  ].join('\n');
}
