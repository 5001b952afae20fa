import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { findTool } from '#lib/devstack/tools/find-tool';
import { apps, Charts, charts } from './helm/charts.js';

const helm = await findTool('helm');
const kubeconform = await findTool('kubeconform');
const kubeScore = await findTool('kube-score');
const scenarios = charts.flatMap((chart) => Charts.scenariosOf(chart).map((scenario) => [chart, scenario] as const));
const schemas = join(projectRoot, 'test/operate/schemas/{{.ResourceKind}}{{.KindSuffix}}.json');

/** Checks of kube-score that are not followed, each with its reason. */
const IGNORED = {
  // Tags of releases are never moved, and `global.image.digest` pins one; pulling at each start would make a registry that is away an outage.
  'container-image-pull-policy': 'all',
  // The servers for a kind cluster: one pod each, images of other makers with their own users and files.
  'container-security-context-user-group-id': 'kind',
  'container-security-context-readonlyrootfilesystem': 'kind',
  'container-ephemeral-storage-request-and-limit': 'kind',
  // The scenario that switches network policies off.
  'pod-networkpolicy': 'single-node',
} as const;

let built: Charts | undefined;
const loaded = (): Charts => {
  if (built === undefined) throw new Error('the charts are not built');
  return built;
};
beforeAll(async () => {
  if ('path' in helm) built = await Charts.built(helm.path);
});
afterAll(() => built?.[Symbol.dispose]());

/** A rendered scenario in a file, for tools that read files. */
const rendered = async ([chart, scenario]: (typeof scenarios)[number]): Promise<string> => {
  const { text, error, code } = await loaded().render(chart, scenario);
  expect({ error, code }).toEqual({ error: '', code: 0 });
  const file = join(loaded().folder, `${chart}-${scenario}.rendered.yaml`);
  writeFileSync(file, text);
  return file;
};

describe.skipIf('missing' in helm)(`charts (${'missing' in helm ? helm.missing : 'helm'})`, () => {
  it.each(scenarios)('%s passes lint --strict with ci/%s.yaml', async (chart, scenario) => {
    const { code, stdout } = await loaded().lint(chart, scenario);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    // Lint reports what `fail` says and passes all the same.
    expect(stdout).not.toMatch(/Fail:|\[ERROR\]/);
  });

  it('have templates that are one-liners on the library', () => {
    for (const chart of apps) {
      const { dependencies } = parse(readFileSync(`helm/${chart}/Chart.yaml`, 'utf8')) as { dependencies: { name: string }[] };
      expect(dependencies.map(({ name }) => name)).toEqual(['common']);
      const templates = readdirSync(`helm/${chart}/templates`).map((file) => readFileSync(`helm/${chart}/templates/${file}`, 'utf8'));
      expect(templates.length).toBeLessThanOrEqual(12);
      for (const template of templates) expect(template).toMatch(/^\{\{- include "parley\.\w+" \. \}\}\n$/);
    }
  });
});

describe.skipIf('missing' in helm || 'missing' in kubeconform)(
  `manifests (${'missing' in kubeconform ? kubeconform.missing : 'kubeconform'})`,
  () => {
    const check = async (file: string) => {
      const options = ['-strict', '-summary', '-output', 'json', '-schema-location', schemas, file];
      const { stdout } = await runCommand('path' in kubeconform ? kubeconform.path : '', options, { timeoutMs: 30_000 });
      return JSON.parse(stdout) as { resources: { msg: string }[]; summary: { valid: number; skipped: number } };
    };

    it.each(scenarios)('%s with ci/%s.yaml are what Kubernetes and its extensions accept, unknown fields refused', async (...scenario) => {
      const { resources, summary } = await check(await rendered(scenario));
      expect(resources.map(({ msg }) => msg)).toEqual([]);
      expect(summary).toMatchObject({ skipped: 0 });
      expect(summary.valid).toBeGreaterThan(4);
    });

    it.each([
      ['a misspelled probe', 'livenessProbe:', 'livenesProbe:'],
      ['a port as text', 'containerPort: 8080', 'containerPort: "8080"'],
      ['an unknown field of a custom resource', 'pollingInterval:', 'pollInterval:'],
    ])('with %s are refused: the check can fail', async (_, right, wrong) => {
      const file = await rendered(['parley', 'production']);
      const text = readFileSync(file, 'utf8');
      expect(text).toContain(right);
      const broken = file.replace('.rendered', '.broken');
      writeFileSync(broken, text.replace(right, wrong));
      const { resources } = await check(broken);
      expect(resources.length).toBeGreaterThan(0);
    });
  },
);

describe.skipIf('missing' in helm || 'missing' in kubeScore)(
  `posture (${'missing' in kubeScore ? kubeScore.missing : 'kube-score'})`,
  () => {
    it.each(scenarios)('%s with ci/%s.yaml has no critical finding', async (...scenario) => {
      const ignored = Object.entries(IGNORED).filter(([, where]) => where === 'all' || where === scenario[1]);
      const options = ['score', await rendered(scenario), '--kubernetes-version', 'v1.33', '--output-format', 'ci'];
      // CPU is shared on purpose: a limit throttles a pod while cores are idle. Memory has its limit.
      const flags = ['--ignore-container-cpu-limit', ...ignored.flatMap(([check]) => ['--ignore-test', check])];
      const { stdout, stderr } = await runCommand('path' in kubeScore ? kubeScore.path : '', [...options, ...flags], { timeoutMs: 30_000 });
      expect(stderr).toBe('');
      expect(stdout).toContain('[OK]');
      expect(stdout.split('\n').filter((line) => line.startsWith('[CRITICAL]'))).toEqual([]);
    });
  },
);
