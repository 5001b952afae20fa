import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import { GraphThresholdsStyleConfigBuilder, GraphThresholdsStyleMode } from '@grafana/grafana-foundation-sdk/common';
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  MappingType,
  type Panel,
  RowBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StatesBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as LinesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { type DashboardPanel, dashboardRows } from './rows.js';

const PROMETHEUS = { type: 'prometheus', uid: '${datasource}' } as const; // oxlint-disable-line no-template-curly-in-string -- a variable of Grafana
const COLOURS = ['yellow', 'orange', 'red', 'dark-red'] as const;
const HEIGHT = 8;
const WIDTH = 24;
const REFERENCES = 'ABCDEFGHIJ';
const MOST_IN_A_LINE = 3;
/** Deploys and what breakers do are drawn over every panel. */
export const annotations = [
  {
    name: 'new version',
    colour: 'blue',
    expr: 'count by (version) (build_info) unless count by (version) (build_info offset 2m)',
    title: '{{version}}',
  },
  { name: 'breaker', colour: 'red', expr: 'max by (dependency) (changes(circuit_breaker_state[1m])) > 0', title: '{{dependency}}' },
] as const;

type AnyPanel = LinesBuilder | StatBuilder | StatesBuilder;

/** `docker/grafana/parley.json`: the dashboard as Grafana imports it. */
export function renderDashboard(): string {
  const dashboard = new DashboardBuilder('Parley')
    .uid('parley')
    .description('Printed from scripts/docs/dashboards/rows.ts by `npm run docs`.')
    .tags(['parley'])
    .timezone('browser')
    .refresh('30s')
    .time({ from: 'now-1h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'));
  for (const { name, colour, expr, title } of annotations) {
    dashboard.annotation(
      new AnnotationQueryBuilder()
        .name(name)
        .datasource(PROMETHEUS)
        .enable(true)
        .iconColor(colour)
        .expr(expr)
        .titleFormat(title)
        .step('60s'),
    );
  }
  for (const { title, panels } of dashboardRows) {
    dashboard.withRow(new RowBuilder(title));
    const width = WIDTH / (panels.length % MOST_IN_A_LINE === 0 ? MOST_IN_A_LINE : panels.length);
    for (const panel of panels) dashboard.withPanel(panelOf(panel, width));
  }
  return `${JSON.stringify(dashboard.build(), undefined, 2)}\n`;
}

function panelOf(panel: DashboardPanel, width: number): Builder<Panel> {
  const made = shapeOf(panel).title(panel.title).description(panel.help).datasource(PROMETHEUS).unit(panel.unit).span(width).height(HEIGHT);
  if (panel.thresholds !== undefined) made.thresholds(thresholdsOf(panel.thresholds));
  panel.queries.forEach(({ expr, legend }, index) => {
    made.withTarget(new DataqueryBuilder().refId(REFERENCES.charAt(index)).expr(expr).legendFormat(legend).datasource(PROMETHEUS));
  });
  return made;
}

function shapeOf({ kind, states = {}, thresholds }: DashboardPanel): AnyPanel {
  switch (kind) {
    case 'lines': {
      const lines = new LinesBuilder().min(0).fillOpacity(0).lineWidth(1).spanNulls(false);
      if (thresholds === undefined) return lines;
      return lines.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
    }
    case 'number':
      return new StatBuilder();
    case 'states':
      return new StatesBuilder().mappings([mappingOf(states)]);
  }
}

const mappingOf = (states: NonNullable<DashboardPanel['states']>): ValueMapping => ({
  type: MappingType.ValueToText,
  options: Object.fromEntries(Object.entries(states).map(([value, { text, colour }], index) => [value, { text, color: colour, index }])),
});

function thresholdsOf(values: readonly number[]): ThresholdsConfigBuilder {
  const steps: Threshold[] = [
    { value: null, color: 'green' },
    ...values.map((value, index) => ({ value, color: COLOURS[index] ?? 'dark-red' })),
  ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}
