import { readFileSync } from 'node:fs';
import { renderConfigurationDoc, renderEnvExample } from '#lib/runtime/config/config-docs';
import { definitionsFor } from '#lib/bus/permissions';
import { queues } from '#lib/contracts/pipeline';
import { renderAlertmanager, renderAlertTable, renderPrometheusRules, runbookFrames } from './render-alerts.js';
import { chartSchemas } from './charts/render-chart-schemas.js';
import { renderClientTypes } from './render-client-types.js';
import { renderCapacity } from './capacity/render-capacity.js';
import { renderDashboard } from './dashboards/grafana.js';
import { renderDecisions } from './render-decisions.js';
import { renderEvents } from './render-events.js';
import { renderFaults } from './render-faults.js';
import { renderMetricsTable } from './render-metrics.js';
import { renderSocket } from './render-socket.js';
import { renderProblems } from './render-problems.js';

const BEGIN = '<!-- printed by `npm run docs` -->';
const END = '<!-- end of what is printed -->';

/** Replaces the printed part of a document that is otherwise written by hand. @throws Error when the markers are missing. */
export const withPrintedPart = (document: string, printed: string): string => {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from < 0 || to < from) throw new Error(`the document needs the lines "${BEGIN}" and "${END}"`);
  return `${document.slice(0, from + BEGIN.length)}\n\n${printed}\n\n${document.slice(to)}`;
};

const partOf = (path: string, printed: string): string => withPrintedPart(readFileSync(path, 'utf8'), printed);

/** Every document that is printed from code, by path: `npm run docs` writes them, test/docs compares them. */
export const printedDocuments: Readonly<Record<string, () => string>> = {
  'docker/grafana/parley.json': renderDashboard,
  'helm/parley/files/dashboards/parley.json': renderDashboard,
  'clients/typescript/src/rest-types.ts': renderClientTypes,
  'docs/reference/events.md': renderEvents,
  'docs/reference/websocket.md': () => partOf('docs/reference/websocket.md', renderSocket()),
  'docker/rabbitmq/definitions.json': () => `${JSON.stringify(definitionsFor(queues), undefined, 2)}\n`,
  'docs/reference/faults.md': renderFaults,
  'docs/reference/configuration.md': renderConfigurationDoc,
  '.env.example': renderEnvExample,
  'docs/adr/README.md': renderDecisions,
  'docs/reference/api.md': () => partOf('docs/reference/api.md', renderProblems()),
  'docker/prometheus/rules.yml': renderPrometheusRules,
  'docker/prometheus/alertmanager.yml': renderAlertmanager,
  'helm/parley/files/rules.yml': renderPrometheusRules,
  'docs/operate/alerts.md': () => partOf('docs/operate/alerts.md', renderAlertTable()),
  ...Object.fromEntries([...runbookFrames()].map(([path, frame]) => [path, () => partOf(path, frame)])),
  ...chartSchemas,
  // A chart reads no file outside of its folder.
  'helm/parley/files/dev/rabbitmq.conf': () => readFileSync('docker/rabbitmq/rabbitmq.conf', 'utf8'),
  'helm/parley/files/dev/enabled_plugins': () => readFileSync('docker/rabbitmq/enabled_plugins', 'utf8'),
  'docs/operate/capacity.md': () => partOf('docs/operate/capacity.md', renderCapacity()),
  'docs/reference/metrics.md': () => partOf('docs/reference/metrics.md', renderMetricsTable()),
};
