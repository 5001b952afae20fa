import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';
import { findTool } from '#lib/devstack/tools/find-tool';
import { metrics } from '#lib/runtime/metrics/metrics';
import { recordings, rules } from '../../apps/ops/src/alerts/rules.js';
import { RUNBOOKS } from '../../scripts/docs/render-alerts.js';
import { type AlertCase, alertCases } from './alert-cases.js';
import { metricsIn } from './metrics-in.js';

const run = promisify(execFile);
const promtool = await findTool('promtool');
const amtool = await findTool('amtool');
const PROMETHEUS = join(projectRoot, 'docker/prometheus');

/** What promtool says when it does not exit with 0. */
const outputOf = async (program: string, ...words: string[]): Promise<string> => {
  try {
    return (await run(program, words)).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${words.join(' ')}\n${stdout}${stderr}`, { cause: error });
  }
};

describe.skipIf('missing' in promtool)(`the rules of Prometheus${'missing' in promtool ? ` (${promtool.missing})` : ''}`, () => {
  const program = 'path' in promtool ? promtool.path : '';
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-rules-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are rules, and its configuration is one', async () => {
    expect(await outputOf(program, 'check', 'rules', join(PROMETHEUS, 'rules.yml'))).toContain(
      `${rules.length + recordings.length} rules found`,
    );
    await outputOf(program, 'check', 'config', join(PROMETHEUS, 'prometheus.yml'));
  });

  it('are the same in the chart', async () => {
    const [one, other] = await Promise.all(
      ['docker/prometheus/rules.yml', 'helm/parley/files/rules.yml'].map((path) => readFile(join(projectRoot, path), 'utf8')),
    );
    expect(other).toBe(one);
  });

  /** Runs every case; `changed` makes of the text of a rule what is tested in its place. */
  const testAll = async (name: string, changed = (text: string) => text): Promise<string> => {
    const shipped = await readFile(join(PROMETHEUS, 'rules.yml'), 'utf8');
    const files = alertCases.map(async (each, index) => {
      const [ruleFile, testFile] = ['rules.yml', 'json'].map((suffix) => join(folder, `${name}-${index}.${suffix}`)) as [string, string];
      await writeFile(ruleFile, changed(rulesOf(shipped, each.rule)));
      const tests = { rule_files: [ruleFile], evaluation_interval: `${each.everySeconds ?? 15}s`, tests: testsOf(each) };
      await writeFile(testFile, JSON.stringify(tests));
      return testFile;
    });
    return outputOf(program, 'test', 'rules', ...(await Promise.all(files)));
  };

  it('fire when they should, stay quiet when they should, and end', async () => {
    expect(await testAll('shipped')).not.toContain('FAILED');
  });

  it('would be found out: each case fails with a rule that never fires', async () => {
    const said = await testAll('never', (text) => text.replace(/( +- alert: .*\n +expr: )".*"/, '$1"vector(1) > 2"')).catch(
      (error: Error) => error.message,
    );
    const failed = [...said.matchAll(/alertname: (\w+), time: /g)].map(([, name]) => name);
    expect(new Set(failed)).toEqual(new Set(alertCases.map(({ rule }) => rule)));
  });

  it('would be found out: each near miss fires with a rule that always fires', async () => {
    const said = await testAll('always', (text) => text.replace(/( +- alert: .*\n +expr: )".*"(\n +for: .*)?/, '$1"vector(1)"')).catch(
      (error: Error) => error.message,
    );
    const failed = [...said.matchAll(/alertname: (\w+), time: /g)].map(([, name]) => name);
    expect(new Set(failed)).toEqual(new Set(alertCases.map(({ rule }) => rule)));
  });
});

describe.skipIf('missing' in amtool)(`the configuration of Alertmanager${'missing' in amtool ? ` (${amtool.missing})` : ''}`, () => {
  it('is one, and holds no URL of a receiver', async () => {
    const shipped = await readFile(join(PROMETHEUS, 'alertmanager.yml'), 'utf8');
    expect(shipped).not.toMatch(/https?:/);
    const folder = await mkdtemp(join(tmpdir(), 'parley-alertmanager-'));
    const file = join(folder, 'alertmanager.yml');
    // amtool before 0.26 does not know url_file.
    await writeFile(file, shipped.replace(/url_file: .*/, 'url: http://127.0.0.1/'));
    const said = await outputOf('path' in amtool ? amtool.path : '', 'check-config', file);
    expect(said).toContain('SUCCESS');
    await rm(folder, { recursive: true });
  });
});

describe('the table of alerts', () => {
  it('has a case for every rule, and no case is of a rule that is not there', () => {
    const names = rules.map(({ name }) => name);
    expect(new Set(alertCases.map(({ rule }) => rule))).toEqual(new Set(names));
    expect(new Set(names).size).toBe(names.length);
  });

  it('names only metrics that Parley, Node or Prometheus write', () => {
    const written = new Set(Object.values(metrics).map((metric) => (metric as unknown as { name: string }).name));
    for (const name of [...NODES, ...PROMETHEUSES, ...recordings.map(({ record }) => record)]) written.add(name);
    const named = [...rules, ...recordings].flatMap(({ expr }) => metricsIn(expr));
    expect(named.length).toBeGreaterThan(rules.length);
    expect([...new Set(named)].filter((name) => !written.has(name))).toEqual([]);
  });

  it('names no rule that is not there', () => {
    const names = new Set(rules.map(({ name }) => name));
    expect(rules.filter(({ worseThan }) => worseThan !== undefined && !names.has(worseThan))).toEqual([]);
  });
});

/** Of prom-client's own metrics, those that rules ask for. */
const NODES = ['process_start_time_seconds', 'nodejs_eventloop_lag_p99_seconds'];
const PROMETHEUSES = ['up'];

const ruleOf = (name: string) => rules.find((rule) => rule.name === name);

/** The groups of the shipped file with the ratios and this one alert: promtool evaluates every rule that it is given at every moment. */
const rulesOf = (shipped: string, name: string): string => {
  const ratios = /^groups:\n {2}- name: parley\.ratios\n {4}rules:\n(?: {6}.*\n)+/m.exec(shipped)?.[0] ?? '';
  const alert = new RegExp(`^ {6}- alert: ${name}\\n(?: {8}.*\\n)+`, 'm').exec(shipped)?.[0] ?? '';
  const isMadeOfRatios = alert.includes('parley:');
  return `${isMadeOfRatios ? ratios : 'groups:\n'}  - name: tested\n    rules:\n${alert}`;
};

const testsOf = (each: AlertCase) => {
  const { rule: name, everySeconds = 15, labels, summary } = each;
  const rule = ruleOf(name);
  const expected = {
    exp_labels: {
      severity: rule?.severity.toLowerCase(),
      ...(rule?.outageOf === undefined ? {} : { outage: rule.outageOf }),
      ...(rule?.consequenceOf === undefined ? {} : { consequence_of: rule.consequenceOf.join('_') }),
      ...labels,
    },
    exp_annotations: { summary, description: rule?.means, runbook: `${RUNBOOKS}/${rule?.runbook}` },
  };
  const at = (seconds: number, alerts: readonly object[] = []) => ({ eval_time: `${seconds}s`, alertname: name, exp_alerts: alerts });
  const seriesOf = (all: AlertCase['series']) =>
    Object.entries(all).map(([text, values]) => ({ series: text, values: values.map((value) => value ?? '_').join(' ') }));
  const interval = `${everySeconds}s`;
  return [
    {
      interval,
      input_series: seriesOf(each.series),
      alert_rule_test: [at(each.quietAt), at(each.firingAt, [expected]), at(each.resolvedAt)],
    },
    { interval, input_series: seriesOf(each.nearMiss), alert_rule_test: [at(each.quietAt), at(each.firingAt), at(each.resolvedAt)] },
  ];
};
