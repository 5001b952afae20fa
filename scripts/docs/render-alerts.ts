import { AFTERMATH_SECONDS, type AlertRule, recordings, rules, type Severity } from '../../apps/ops/src/alerts/rules.js';

/** Folder of the pages that `runbook` of a rule names. */
export const RUNBOOKS = 'docs/operate/runbooks';

const PRINTED = '# Printed from apps/ops/src/alerts/rules.ts by `npm run docs`; a test keeps it true.';

/** JSON is YAML, and its strings need no further care. */
const quoted = (text: string): string => JSON.stringify(text);

const durationOf = (seconds: number): string => (seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`);

/** `{queue}` of the table as Prometheus writes it. */
const templated = (text: string): string =>
  text.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'value' ? '{{ $value | humanize }}' : `{{ $labels.${name} }}`));

/** Labels of a rule beside those of its samples: what Alertmanager routes and silences by. */
const labelsOf = ({ severity, outageOf, consequenceOf }: AlertRule): Readonly<Record<string, string>> => ({
  severity: severity.toLowerCase(),
  ...(outageOf === undefined ? {} : { outage: outageOf }),
  ...(consequenceOf === undefined ? {} : { consequence_of: consequenceOf.join('_') }),
});

const mapping = (entries: Readonly<Record<string, string>>, indent: string): string =>
  Object.entries(entries)
    .map(([name, value]) => `${indent}${name}: ${quoted(value)}`)
    .join('\n');

const ruleOf = (rule: AlertRule): string =>
  [
    `      - alert: ${rule.name}`,
    `        expr: ${quoted(rule.expr)}`,
    ...(rule.forSeconds === 0 ? [] : [`        for: ${durationOf(rule.forSeconds)}`]),
    // Alertmanager silences what follows from an outage only while it fires.
    ...(rule.outageOf === undefined ? [] : [`        keep_firing_for: ${durationOf(AFTERMATH_SECONDS)}`]),
    '        labels:',
    mapping(labelsOf(rule), '          '),
    '        annotations:',
    mapping({ summary: templated(rule.summary), description: rule.means, runbook: `${RUNBOOKS}/${rule.runbook}` }, '          '),
  ].join('\n');

const groupOf = (severity: Severity): string =>
  `  - name: parley.${severity.toLowerCase()}\n    rules:\n${rules
    .filter((rule) => rule.severity === severity)
    .map(ruleOf)
    .join('\n')}`;

/** `docker/prometheus/rules.yml` and, the same, `helm/parley/files/rules.yml`: a rule file of Prometheus. */
export const renderPrometheusRules = (): string => `${PRINTED}
groups:
  - name: parley.ratios
    rules:
${recordings.map(({ record, expr }) => `      - record: ${record}\n        expr: ${quoted(expr)}`).join('\n')}
${(['P0', 'P1', 'P2'] as const).map(groupOf).join('\n')}
`;

const inhibition = (source: string, target: string, equal: readonly string[]): string =>
  [
    `  - source_matchers: [${quoted(source)}]`,
    `    target_matchers: [${quoted(target)}]`,
    `    equal: [${equal.map(quoted).join(', ')}]`,
  ].join('\n');

const outages = [...new Set(rules.flatMap(({ outageOf }) => outageOf ?? []))];

/** `docker/prometheus/alertmanager.yml`: grouping and pace of R089-R091, and who silences whom, from the same table. */
export const renderAlertmanager = (): string => `${PRINTED}
# The URL that notices go to is a secret: it stands alone in the file that url_file names, and nowhere else (Alertmanager 0.26 or later).
# Google Chat takes no notices of Alertmanager: put a bridge in between, or let ops send its own (docs/operate/alerts.md).
route:
  receiver: webhook
  group_by: [alertname, namespace, dependency, queue]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 4h
  routes:
    - matchers: ['severity="p0"']
      group_wait: 0s
      group_interval: 15s
      repeat_interval: 30m
    - matchers: ['severity="p2"']
      group_by: [severity, namespace]
      group_wait: 1m
      group_interval: 1h
      repeat_interval: 12h

receivers:
  - name: webhook
    webhook_configs:
      - url_file: /run/secrets/alert-webhook-url
        send_resolved: true
        max_alerts: 50

inhibit_rules:
${[
  ...outages.map((outage) => inhibition(`outage="${outage}"`, `consequence_of=~".*${outage}.*"`, ['namespace'])),
  ...rules.flatMap(({ name, worseThan, by }) =>
    worseThan === undefined ? [] : [inhibition(`alertname="${name}"`, `alertname="${worseThan}"`, ['namespace', ...by])],
  ),
].join('\n')}
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** The table of `docs/operate/alerts.md`. */
export const renderAlertTable = (): string =>
  [
    '| | alert | true when | for | fires in `ops` without Prometheus | page |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rules.map(({ severity, name, expr, forSeconds, builtIn, runbook }) => {
      const after = builtIn === undefined ? 'no' : `after ${builtIn.afterSeconds ?? forSeconds} s`;
      return `| ${severity} | \`${name}\` | \`${cell(expr)}\` | ${forSeconds} s | ${after} | [${runbook.replace('.md', '')}](runbooks/${runbook}) |`;
    }),
    '',
    `Silent while a graver one tells the cause, and for ${AFTERMATH_SECONDS} s after an outage (in Prometheus the outage itself fires that long):`,
    '',
    ...outages.map((outage) => {
      const named = (among: readonly AlertRule[]) => among.map(({ name }) => `\`${name}\``).join(', ');
      const sources = rules.filter(({ outageOf }) => outageOf === outage);
      const silenced = rules.filter(({ consequenceOf }) => consequenceOf?.includes(outage));
      return `- ${named(sources)}: ${named(silenced)}`;
    }),
    ...rules.flatMap(({ name, worseThan }) => (worseThan === undefined ? [] : [`- \`${name}\`: \`${worseThan}\` of the same`])),
  ].join('\n');

/** Every page that a rule names, with its frame: which alerts lead there, what they mean, the first three commands, how each ends. */
export const runbookFrames = (): ReadonlyMap<string, string> => {
  const pages = Map.groupBy(rules, ({ runbook }) => runbook);
  return new Map([...pages].map(([page, among]) => [`${RUNBOOKS}/${page}`, [ELSEWHERE, ...among.map(frameOf)].join('\n\n')]));
};

const ELSEWHERE =
  'The commands are those of `npm start`; on Kubernetes and in compose they are [these](../alerts.md#the-first-commands-elsewhere).';

const frameOf = ({ name, severity, expr, forSeconds, means, firstCommands, endsWhen }: AlertRule): string =>
  [
    `### ${name} (${severity})`,
    '',
    `\`${expr}\`${forSeconds === 0 ? '' : ` for ${forSeconds} s`}. ${means}`,
    '',
    '```sh',
    ...firstCommands,
    '```',
    '',
    `It ends when ${endsWhen}.`,
  ].join('\n');
