import type { Command } from 'commander';
import pc from 'picocolors';
import type { ScalingAdvice, ScalingReport } from '#lib/contracts/scaling';
import { tableOf } from '#lib/devstack/terminal/table';
import { Explained } from '#lib/devstack/terminal/explain';
import { askGateway } from '../operator/ask-gateway.js';
import { ago, duration } from '../output/cells.js';
import { printJson } from '../output/print-json.js';
import { wrapped } from '../output/wrapped.js';

interface Options {
  readonly url?: string;
  readonly service?: string;
  readonly double?: boolean;
  readonly json?: boolean;
}

/** Adds `parley advise`: what to scale, of every service or one. */
export function addAdviseCommand(program: Command): void {
  program
    .command('advise')
    .description('what to scale: workers, pods, pool, prefetch of each service or nothing, and why')
    .option('--service <name>', 'one service only')
    .option('--double', 'as if twice as much came in')
    .option('--url <url>', 'gateway to ask')
    .option('--json', 'print {at, items, atDoubleLoad, missing, seesOnlyItself} as GET /v1/admin/scaling-advice does')
    .action(showAdvice);
}

async function showAdvice({ url, service, double = false, json = false }: Options): Promise<void> {
  const report = await askGateway<ScalingReport>('/v1/admin/scaling-advice', url);
  const shown = withService(report, service);
  if (json) return printJson(shown);
  console.log(textOf(shown, double));
}

/** @throws Explained for a service that there is no advice on. */
function withService(report: ScalingReport, service: string | undefined): ScalingReport {
  if (service === undefined) return report;
  const names = report.items.map((each) => each.service);
  if (!names.includes(service)) throw new Explained(`there is no service "${service}": ${names.join(', ')}`);
  const only = (items: readonly ScalingAdvice[]) => items.filter((each) => each.service === service);
  return { ...report, items: only(report.items), atDoubleLoad: only(report.atDoubleLoad) };
}

/** The report for a terminal: a table, a paragraph for each service, and what is missing. */
export function textOf(report: ScalingReport, isDouble: boolean, columns?: number): string {
  const items = isDouble ? report.atDoubleLoad : report.items;
  const rows = items.map((each) => [
    each.service,
    colourOf(each),
    change(each, 'pods'),
    change(each, 'workers'),
    change(each, 'poolSize'),
    change(each, 'concurrency'),
    each.connections === null ? '-' : `${each.connections.after}/${each.connections.budget}`,
    each.etaSeconds === null ? '-' : duration(each.etaSeconds * 1_000),
    each.confidence,
  ]);
  const head = ['service', 'do', 'pods', 'work', 'pool', 'at once', 'conn', 'in', 'sure'];
  const missing = report.missing.map(({ target, service, code }) =>
    pc.red(`missing: ${service ?? 'unknown service'} at ${target}: ${code}`),
  );
  return [
    `as of ${ago(report.at)} ago${isDouble ? ', if twice as much came in' : ''}`,
    tableOf(head, rows, columns),
    ...items.map((each) => paragraphOf(each, columns)),
    ...missing,
    ...(report.seesOnlyItself ? [pc.yellow('METRICS_TARGETS is empty: ops sees only itself')] : []),
  ].join('\n');
}

function change({ now, to }: ScalingAdvice, what: keyof ScalingAdvice['now']): string {
  const [before, after] = [now[what] ?? '-', to[what] ?? '-'];
  return before === after ? String(before) : pc.bold(`${before}>${after}`);
}

const colourOf = ({ action, rebalance }: ScalingAdvice): string => {
  const text = rebalance && action === 'none' ? 'rebalance' : action;
  return text === 'none' ? pc.dim(text) : pc.yellow(text);
};

function paragraphOf({ service, rule, reason, checks, watch }: ScalingAdvice, columns?: number): string {
  return [
    ...wrapped(`${pc.bold(service)} (step ${rule}): ${reason}`, columns),
    ...checks.flatMap((check) => wrapped(`  check: ${check}`, columns)),
    ...(watch.length === 0 ? [] : wrapped(`  watch: ${watch.join(', ')}`, columns)),
  ].join('\n');
}
