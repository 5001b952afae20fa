import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { register } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';
import { findTool } from '#lib/devstack/tools/find-tool';
import { metrics, startProcessMetrics } from '#lib/runtime/metrics/metrics';
import { annotations } from '../../scripts/docs/dashboards/grafana.js';
import { dashboardRows } from '../../scripts/docs/dashboards/rows.js';

const promtool = await findTool('promtool');

interface GrafanaPanel {
  readonly type: string;
  readonly title?: string;
  readonly targets?: readonly { readonly expr: string; readonly datasource: unknown }[];
  readonly fieldConfig?: { readonly defaults: { readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] } } };
}
const shipped = JSON.parse(await readFile(join(projectRoot, 'docker/grafana/parley.json'), 'utf8')) as { panels: readonly GrafanaPanel[] };
const panels = shipped.panels.filter(({ type }) => type !== 'row');
const expressions = [...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)), ...annotations.map(({ expr }) => expr)];

describe('the dashboard', () => {
  it('has a row for each line of the outline, and what is asked in it', () => {
    expect(shipped.panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual(dashboardRows.map(({ title }) => title));
    expect(dashboardRows.map(({ name }) => name)).toEqual([
      'objective',
      'traffic',
      'queues',
      'dependencies',
      'postgres',
      'realtime',
      'models',
      'node',
      'advice',
    ]);
    expect(panels).toHaveLength(dashboardRows.flatMap((row) => row.panels).length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });

  it('is the same in the chart', async () => {
    expect(await readFile(join(projectRoot, 'helm/parley/files/dashboards/parley.json'), 'utf8')).toBe(
      await readFile(join(projectRoot, 'docker/grafana/parley.json'), 'utf8'),
    );
  });

  it('draws the levels of pressure at 80, 90, 95 and 100 %', () => {
    const levels = panels.find(({ title }) => title === 'Fill of queues, outbox and memory')?.fieldConfig?.defaults.thresholds?.steps;
    expect(levels?.map(({ value }) => value)).toEqual([null, 0.8, 0.9, 0.95, 1]);
  });

  it('asks only for metrics that processes of Parley show', async () => {
    startProcessMetrics('test');
    const shown = new Set((await register.getMetricsAsJSON()).map(({ name }) => name));
    for (const { name } of Object.values(metrics) as unknown as { name: string }[]) shown.add(name);
    const asked = [...new Set(expressions.flatMap(metricsIn))];
    expect(asked.length).toBeGreaterThan(40);
    expect(asked.filter((name) => !shown.has(name))).toEqual([]);
  });

  it('shows the inputs of the advisor', () => {
    const asked = new Set(expressions.flatMap(metricsIn));
    for (const name of [
      'scaling_recommendation',
      'nodejs_eventloop_active_seconds_total',
      'process_cpu_limit_cores',
      'db_pool_size',
      'queue_length',
    ]) {
      expect(asked).toContain(name);
    }
  });
});

describe.skipIf('missing' in promtool)(`the queries of the dashboard${'missing' in promtool ? ` (${promtool.missing})` : ''}`, () => {
  const check = async (queries: readonly string[]): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-dashboard-'));
    const file = join(folder, 'rules.yml');
    const rules = queries.map((expr, index) => ({ record: `parley:panel_${index}`, expr: withoutVariables(expr) }));
    await writeFile(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }));
    try {
      return (await promisify(execFile)('path' in promtool ? promtool.path : '', ['check', 'rules', file])).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return stdout + stderr;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  it('are PromQL', async () => {
    expect(await check(expressions)).toContain(`${expressions.length} rules found`);
  });

  it('would be found out', async () => {
    expect(await check([...expressions, 'sum by (le (rate(x[5m]))'])).toContain('FAILED');
  });
});

/** What Grafana puts in place of its variables. */
const withoutVariables = (expr: string): string => expr.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1h');

/** Names before a selector, a range, or nothing: not functions, labels or words of PromQL. */
const metricsIn = (expr: string): string[] => {
  const bare = withoutVariables(expr)
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\b(by|on|without|ignoring) ?\([^)]*\)/g, '');
  return [...bare.matchAll(/\b([a-z_][a-z0-9_:]*)\b(?! ?\()/gi)]
    .map(([, name = '']) => name)
    .filter((name) => !/^(and|or|unless|offset|group_left|sum|max|min|count|[smhd])$/.test(name))
    .map((name) => name.replace(/_(bucket|count|sum)$/, ''));
};
