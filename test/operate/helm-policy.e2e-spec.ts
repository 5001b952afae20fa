import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type QueueRow, queues } from '#lib/contracts/pipeline';
import { routeDeadlinesMs } from '#lib/contracts/route-deadlines';
import { budgetedProcesses, poolBudget } from '#lib/database/pool-budget';
import { parseRolePasswords, serviceRoles } from '#lib/database/service-roles';
import { findTool } from '#lib/devstack/tools/find-tool';
import { parseConfig, type SettingName, settings } from '#lib/runtime/config/config';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { type App, apps, Charts, type Manifest, named, podsIn } from './helm/charts.js';

const helm = await findTool('helm');
const scenarios = Charts.scenariosOf('parley');
const PRE_STOP_SECONDS = 5;
const MARGIN_SECONDS = 5;
const page = readFileSync('docs/operate/kubernetes.md', 'utf8');

let built: Charts | undefined;
const manifestsOf = new Map<string, readonly Manifest[]>();
beforeAll(async () => {
  if (!('path' in helm)) return;
  built = await Charts.built(helm.path);
  for (const scenario of scenarios) manifestsOf.set(scenario, (await built.render('parley', scenario)).manifests);
});
afterAll(() => built?.[Symbol.dispose]());

const of = (scenario: string): readonly Manifest[] => manifestsOf.get(scenario) ?? [];
const appsIn = (scenario: string): App[] =>
  apps.filter((app) => of(scenario).some(({ kind, metadata }) => kind === 'Deployment' && metadata.name === `parley-${app}`));

/** The Secrets that helm/make-secrets.mjs prints, by name. */
const secrets = Object.fromEntries(
  (
    JSON.parse(execFileSync(process.execPath, ['helm/make-secrets.mjs'], { encoding: 'utf8' })) as {
      items: { metadata: { name: string }; stringData: Record<string, string> }[];
    }
  ).items.map(({ metadata, stringData }) => [metadata.name, stringData]),
);

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string; readonly optional?: boolean } };
}
interface Container {
  readonly image: string;
  readonly env?: readonly Variable[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  // oxlint-disable-next-line typescript/no-explicit-any -- read field by field below
  readonly [field: string]: any;
}
const containerOf = (pod: Manifest): Container => (pod['spec'] as { containers: [Container] }).containers[0];
const secretRefsIn = (pod: Manifest) =>
  (containerOf(pod).env ?? []).flatMap(({ valueFrom }) => (valueFrom ? [valueFrom.secretKeyRef] : []));

/** Secrets that a release may have. */
const OPTIONAL: Readonly<Record<string, string>> = {
  EMBEDDING_API_KEY: 'key',
  LLM_API_KEY: 'key',
  S3_ACCESS_KEY_ID: 'id',
  S3_SECRET_ACCESS_KEY: 'key',
};

/** The environment that a pod would have: its ConfigMap, and the keys of the Secrets that are there. */
function environmentOf(scenario: string, name: string): Record<string, string> {
  const pod = podsIn(of(scenario)).get(name);
  if (pod === undefined) throw new Error(`no pods of ${name}`);
  const { env = [], envFrom = [] } = containerOf(pod) as Container & { envFrom?: { configMapRef: { name: string } }[] };
  const config = envFrom.map(({ configMapRef }) => named(of(scenario), 'ConfigMap', configMapRef.name)['data'] as Record<string, string>);
  const variables = env.flatMap(({ name: variable, value, valueFrom }): [string, string][] => {
    const { name: secret, key } = valueFrom?.secretKeyRef ?? { name: '', key: '' };
    const found = value ?? secrets[secret]?.[key] ?? (scenario === 'production' ? OPTIONAL[key] : undefined);
    return found === undefined ? [] : [[variable, found]];
  });
  return Object.assign({}, ...config, Object.fromEntries(variables)) as Record<string, string>;
}

const describeCharts = (subject: string, tests: () => void) =>
  // The name is the reason that a skipped test is counted with.
  describe.skipIf('missing' in helm)(`${subject} (${'missing' in helm ? helm.missing : 'helm'})`, () => {
    tests();
  });

describeCharts('every number of the charts is that of the code', () => {
  it.each(scenarios)('%s: the grace period is the drain of the code, the pause before it and a margin', (scenario) => {
    expect(appsIn(scenario).length).toBeGreaterThan(4);
    for (const app of appsIn(scenario)) {
      const pod = named(of(scenario), 'Deployment', `parley-${app}`)['spec'].template.spec;
      const drainSeconds = Math.ceil(drainTimes[app](configOf(scenario, app)) / 1_000);
      expect({ app, preStop: pod.containers[0].lifecycle.preStop.sleep.seconds }).toEqual({ app, preStop: PRE_STOP_SECONDS });
      expect({ app, grace: pod.terminationGracePeriodSeconds }).toEqual({ app, grace: PRE_STOP_SECONDS + drainSeconds + MARGIN_SECONDS });
    }
  });

  it('the page for operators says the drains and grace periods of the code', () => {
    for (const app of apps) {
      const drain = drainTimes[app](configOf('default', app)) / 1_000;
      const [, rowDrain, rowGrace] =
        new RegExp(`^\\| [^|\\n]*\`${app}\`[^|\\n]*\\| (\\d+) s[^|\\n]*\\| (\\d+) s \\|$`, 'm').exec(page) ?? [];
      expect({ app, rowDrain, rowGrace }).toEqual({
        app,
        rowDrain: String(drain),
        rowGrace: String(PRE_STOP_SECONDS + drain + MARGIN_SECONDS),
      });
    }
  });

  it('a longer drain gives a longer grace period', async () => {
    const config = { BUS_DRAIN_MS: 90_000, WS_DRAIN_MS: 60_500 };
    for (const [app, seconds] of [
      ['scoring', 115],
      ['realtime', 76],
      ['gateway', 65],
    ] as const) {
      const { manifests } = (await built?.render(app, 'default', { config })) ?? { manifests: [] };
      expect(named(manifests, 'Deployment', `parley-${app}`)['spec'].template.spec.terminationGracePeriodSeconds).toBe(seconds);
      expect(
        drainTimes[app](parseConfig({ ...environmentOf('default', `parley-${app}`), BUS_DRAIN_MS: '90000', WS_DRAIN_MS: '60500' })) / 1_000,
      ).toBeLessThanOrEqual(seconds - PRE_STOP_SECONDS - MARGIN_SECONDS);
    }
  });

  it.each(scenarios)('%s: ports and probes are those that the process opens', (scenario) => {
    for (const app of appsIn(scenario)) {
      const container = containerOf(podsIn(of(scenario)).get(`parley-${app}`) as Manifest);
      const { PORT, OPERATIONS_PORT } = configOf(scenario, app);
      expect(container.ports).toEqual([
        { name: 'http', containerPort: PORT },
        { name: 'operations', containerPort: OPERATIONS_PORT },
      ]);
      for (const [probe, path, withinSeconds] of [
        ['startupProbe', '/livez', 60],
        ['livenessProbe', '/livez', 30],
        ['readinessProbe', '/readyz', 10],
      ] as const) {
        const { httpGet, periodSeconds, failureThreshold, timeoutSeconds } = container[probe];
        expect(httpGet).toEqual({ path, port: 'operations' });
        expect(periodSeconds * failureThreshold).toBe(withinSeconds);
        expect(timeoutSeconds).toBeLessThanOrEqual(periodSeconds);
      }
      const metrics = named(of(scenario), 'Service', `parley-${app}-metrics`)['spec'];
      expect([metrics.clusterIP, metrics.ports[0].port]).toEqual(['None', OPERATIONS_PORT]);
    }
  });

  it('a process that hangs is ended by its watchdog before the kubelet ends it', () => {
    const { periodSeconds, failureThreshold } = containerOf(podsIn(of('default')).get('parley-gateway') as Manifest)['livenessProbe'];
    expect(periodSeconds * failureThreshold * 1_000).toBeGreaterThan(configOf('default', 'gateway').WATCHDOG_HANG_MS);
  });

  it('load balancers wait longer than any route and than the pause between two pings', () => {
    const seconds = (app: string) =>
      Number(named(of('production'), 'Ingress', `parley-${app}`).metadata.annotations?.['nginx.ingress.kubernetes.io/proxy-read-timeout']);
    expect(seconds('gateway')).toBe(60);
    expect(seconds('gateway') * 1_000).toBeGreaterThan(Math.max(...Object.values(routeDeadlinesMs)));
    expect(seconds('realtime')).toBe(3_600);
    expect(seconds('realtime') * 1_000).toBeGreaterThan(2 * configOf('production', 'realtime').WS_PING_MS);
    const [stream, rest] = named(of('gateway-api'), 'HTTPRoute', 'parley-gateway')['spec'].rules;
    expect([stream.matches[0].path.value, stream.timeouts]).toEqual(['/v1/admin/live', { request: '3600s' }]);
    expect(rest.timeouts).toEqual({ request: '60s' });
    expect(named(of('gateway-api'), 'HTTPRoute', 'parley-realtime')['spec'].rules[0].timeouts).toBeUndefined();
    const bodyBytes = Number(
      named(of('production'), 'Ingress', 'parley-gateway').metadata.annotations?.['nginx.ingress.kubernetes.io/proxy-body-size'],
    );
    expect(bodyBytes).toBe(configOf('production', 'gateway').HTTP_BODY_LIMIT_BYTES);
  });

  it('the console finds the sockets on the public host, and may open them', () => {
    const settingsIn = (scenario: string, app: App) => named(of(scenario), 'ConfigMap', `parley-${app}`)['data'] as Record<string, string>;
    for (const scenario of ['production', 'gateway-api']) {
      expect(settingsIn(scenario, 'gateway')['CONSOLE_REALTIME_URL']).toBe('wss://chat.example.com/v1/ws');
      expect(configOf(scenario, 'realtime').CORS_ORIGINS).toContain('https://chat.example.com');
    }
    expect(settingsIn('production', 'realtime')['CORS_ORIGINS']).toBe('https://app.example.com,https://chat.example.com');
    expect(settingsIn('default', 'gateway')).not.toHaveProperty('CONSOLE_REALTIME_URL');
    const { rules } = named(of('production'), 'Ingress', 'parley-gateway')['spec'] as { rules: { http: { paths: { path: string }[] } }[] };
    const reached = rules.flatMap(({ http }) => http.paths.map(({ path }) => path));
    expect(reached).toEqual(expect.arrayContaining(['/', '/assets', '/console.json', '/mcp', '/v1']));
  });

  it('KEDA watches queues that the app consumes, over HTTP and with what is in work', () => {
    const scaled = of('production').filter(({ kind }) => kind === 'ScaledObject');
    expect(scaled.map(({ metadata }) => metadata.name).sort()).toEqual(['parley-delivery', 'parley-embedding', 'parley-scoring']);
    for (const { metadata, spec } of scaled) {
      expect(spec.triggers.length).toBeGreaterThan(0);
      for (const { metadata: trigger } of spec.triggers as { metadata: Record<string, string> }[]) {
        const row = (queues as Readonly<Record<string, QueueRow>>)[trigger['queueName'] ?? ''];
        expect(`parley-${row?.app}`).toBe(metadata.name);
        expect(trigger).toMatchObject({ protocol: 'http', mode: 'QueueLength', excludeUnacknowledged: 'false' });
      }
    }
  });

  it('RabbitMQ users are those of the definitions', () => {
    const { users } = JSON.parse(readFileSync('docker/rabbitmq/definitions.json', 'utf8')) as { users: { name: string }[] };
    const keys = secretRefsIn(podsIn(of('default')).get('parley-rabbitmq-users') as Manifest).map(({ key }) => key);
    const wanted = users.map(({ name }) => `RABBITMQ_PASSWORD_${name.toUpperCase().replaceAll('-', '_')}`);
    expect(keys.sort()).toEqual([...wanted, 'RABBITMQ_MANAGEMENT_URL'].sort());
  });

  it('the version of every chart is that of Parley', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const chart of ['common', 'parley', ...apps]) {
      const { version: own, appVersion = version } = parse(readFileSync(`helm/${chart}/Chart.yaml`, 'utf8')) as {
        version: string;
        appVersion?: string;
      };
      expect({ chart, own, appVersion }).toEqual({ chart, own: version, appVersion: version });
    }
  });

  it('images of the servers for a kind cluster are those of compose', () => {
    const { services } = parse(readFileSync('docker/compose.yaml', 'utf8')) as { services: Record<string, { image: string }> };
    for (const server of ['postgres', 'rabbitmq', 'redis', 'chroma']) {
      expect(containerOf(podsIn(of('kind')).get(`parley-${server}`) as Manifest).image).toBe(services[server]?.image);
    }
  });
});

const configOf = (scenario: string, app: App) => parseConfig(environmentOf(scenario, `parley-${app}`));

describeCharts('every process gets a configuration that works', () => {
  it.each(scenarios)('%s: the code accepts what ConfigMap and Secret give', (scenario) => {
    for (const app of appsIn(scenario)) {
      const environment = environmentOf(scenario, `parley-${app}`);
      expect(() => parseConfig(environment)).not.toThrow();
      const known = ['HOME', 'PARLEY_HOME', 'NODE_OPTIONS', 'UV_THREADPOOL_SIZE'];
      expect(Object.keys(environment).filter((name) => !(name in settings) && !known.includes(name))).toEqual([]);
    }
  });

  it('the embedder is the same wherever vectors are made, looked for or compared', () => {
    const embedders = apps.map((app) => [app, configOf('production', app).EMBEDDING_PROVIDER]);
    expect(Object.fromEntries(embedders)).toEqual({
      gateway: 'openai',
      embedding: 'openai',
      ops: 'openai',
      // They have no embedder, and would ask for its key.
      realtime: 'local',
      scoring: 'local',
      delivery: 'local',
    });
  });

  it.each(scenarios)('%s: the heaps of all workers take three quarters of the memory', (scenario) => {
    for (const app of appsIn(scenario)) {
      const { NODE_OPTIONS = '', WEB_CONCURRENCY = '1' } = environmentOf(scenario, `parley-${app}`);
      const { requests, limits } = containerOf(podsIn(of(scenario)).get(`parley-${app}`) as Manifest)['resources'];
      expect(requests.memory).toBe(limits.memory);
      const megabytes = parseFloat(limits.memory) * (limits.memory.endsWith('Gi') ? 1_024 : 1);
      const heap = Number(/--max-old-space-size=(\d+)/.exec(NODE_OPTIONS)?.[1]) * Number(WEB_CONCURRENCY);
      expect({ app, share: Math.round((heap / megabytes) * 100) }).toEqual({ app, share: 75 });
    }
  });

  it('ops reads the metrics of every app behind its headless Service', () => {
    for (const scenario of scenarios) {
      const targets = environmentOf(scenario, 'parley-ops')['METRICS_TARGETS']?.split(',') ?? [];
      expect(targets.length).toBe(appsIn(scenario).length);
      for (const target of targets) {
        const { hostname, port, pathname } = new URL(target.replace('dns+', ''));
        expect([port, pathname]).toEqual(['9090', '/metrics']);
        expect(named(of(scenario), 'Service', hostname)['spec'].clusterIP).toBe('None');
      }
    }
  });

  it.each(scenarios)('%s: the migration counts the connections of the chart, and the code finds that they fit', (scenario) => {
    const config = parseConfig(environmentOf(scenario, 'parley-migrate'));
    const maxConnections = { default: 200, kind: 100, production: 800, 'gateway-api': 200, 'single-node': 200 }[scenario] ?? 0;
    const sum = poolBudget({ maxConnections, superuserReserved: 3, processes: budgetedProcesses(config), poolSize: config.DB_POOL_SIZE });
    expect(sum).toMatchObject({ fits: true });
    const pools = appsIn(scenario).map(
      (app) => mostPodsOf(scenario, app) * workersOf(scenario, app) * configOf(scenario, app).DB_POOL_SIZE,
    );
    const worst = pools.reduce((total, each) => total + each, 0);
    expect(sum.needed - worst).toBeGreaterThanOrEqual(3);
    expect(sum.needed - worst).toBeLessThan(3 + budgetedProcesses(config));
  });

  it('the migration makes the roles that the apps log in with', () => {
    const { DB_ROLE_PASSWORDS, DATABASE_URL } = parseConfig(environmentOf('default', 'parley-migrate'));
    const passwords = parseRolePasswords(DB_ROLE_PASSWORDS);
    expect([...passwords.keys()].sort()).toEqual([...serviceRoles].sort());
    expect(new URL(DATABASE_URL).username).toBe('parley');
    for (const app of apps) {
      const { username, password } = new URL(configOf('default', app).DATABASE_URL);
      expect([username, password]).toEqual([`parley_${app}`, passwords.get(app)]);
    }
  });
});

const workersOf = (scenario: string, app: App): number => Number(environmentOf(scenario, `parley-${app}`)['WEB_CONCURRENCY'] ?? 1);
const mostPodsOf = (scenario: string, app: App): number => {
  const { spec } = named(of(scenario), 'Deployment', `parley-${app}`);
  const scaler = of(scenario).find(
    ({ kind, metadata }) => ['HorizontalPodAutoscaler', 'ScaledObject'].includes(kind) && metadata.name === `parley-${app}`,
  );
  const most = scaler?.['spec'].maxReplicas ?? scaler?.['spec'].maxReplicaCount ?? spec.replicas;
  return most + spec.strategy.rollingUpdate.maxSurge;
};

describeCharts('secrets', () => {
  it.each(scenarios)('%s: none is rendered', (scenario) => {
    expect(of(scenario).filter(({ kind }) => kind === 'Secret')).toEqual([]);
    const configMaps = of(scenario).filter(({ kind }) => kind === 'ConfigMap');
    const names = (Object.keys(settings) as SettingName[]).filter((name) => 'secret' in settings[name]);
    expect(configMaps.flatMap(({ data }) => Object.keys(data)).filter((name) => names.includes(name as SettingName))).toEqual([]);
    for (const pod of podsIn(of(scenario)).values()) {
      expect((containerOf(pod).env ?? []).filter(({ name, value }) => value !== undefined && names.includes(name as SettingName))).toEqual(
        [],
      );
    }
  });

  it.each(scenarios)('%s: each that a pod reads is documented, and made by helm/make-secrets.mjs unless it is optional', (scenario) => {
    const documented = new Set([...page.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, key]) => key));
    for (const pod of podsIn(of(scenario)).values()) {
      for (const { name, key, optional = false } of secretRefsIn(pod)) {
        expect({ key, isDocumented: documented.has(key) || key.startsWith('RABBITMQ_PASSWORD_') }).toEqual({ key, isDocumented: true });
        expect({ name, key, isMade: optional || secrets[name]?.[key] !== undefined }).toEqual({ name, key, isMade: true });
      }
    }
  });

  it('each secret setting of the code reaches a pod', () => {
    const given = new Set([...podsIn(of('default')).values()].flatMap((pod) => secretRefsIn(pod).map(({ key }) => key)));
    const known = (Object.keys(settings) as SettingName[]).filter((name) => 'secret' in settings[name]);
    expect(known.filter((name) => !given.has(name))).toEqual([]);
  });

  it('what KEDA is given is the login that may only look', () => {
    const { username } = new URL(secrets['parley-keda']?.['RABBITMQ_HTTP_URL'] ?? '');
    expect(username).toBe('parley-monitor');
  });
});

describeCharts('pods', () => {
  it.each(scenarios)('%s: none runs as root, may become it, or writes its image', (scenario) => {
    for (const [name, pod] of podsIn(of(scenario))) {
      const isDevServer = ['postgres', 'rabbitmq', 'redis', 'chroma'].some((server) => name === `parley-${server}`);
      const { securityContext, automountServiceAccountToken } = pod['spec'];
      expect({ name, automountServiceAccountToken }).toEqual({ name, automountServiceAccountToken: false });
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      const own = containerOf(pod)['securityContext'];
      expect(own).toMatchObject({
        allowPrivilegeEscalation: false,
        privileged: false,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
      });
      if (isDevServer) continue;
      expect(own).toMatchObject({ readOnlyRootFilesystem: true, runAsUser: 10_001, runAsGroup: 10_001 });
    }
  });

  it.each(scenarios)('%s: each has limits, and an image that is pinned', (scenario) => {
    for (const [name, pod] of podsIn(of(scenario))) {
      const { image, resources } = containerOf(pod);
      expect({ name, isPinned: /@sha256:[a-f0-9]{64}$|:[\w][\w.-]*$/.test(image) && !image.endsWith(':latest') }).toEqual({
        name,
        isPinned: true,
      });
      expect(resources.requests.cpu).toBeDefined();
      expect(resources.limits.memory).toBe(resources.requests.memory);
    }
  });

  it('run as the user of the image', () => {
    const { runAsUser } = containerOf(podsIn(of('default')).get('parley-gateway') as Manifest)['securityContext'];
    expect(readFileSync('docker/Dockerfile', 'utf8')).toMatch(new RegExp(`^USER ${runAsUser}`, 'm'));
  });

  it('are spread over zones, and over hosts strictly where there are three', () => {
    const spread = (scenario: string, app: string) =>
      (podsIn(of(scenario)).get(`parley-${app}`)?.['spec'].topologySpreadConstraints ?? []).map(
        (each: { topologyKey: string; whenUnsatisfiable: string }) => [each.topologyKey, each.whenUnsatisfiable],
      );
    expect(spread('production', 'gateway')).toEqual([
      ['topology.kubernetes.io/zone', 'ScheduleAnyway'],
      ['kubernetes.io/hostname', 'DoNotSchedule'],
    ]);
    expect(spread('default', 'gateway')).toEqual([
      ['topology.kubernetes.io/zone', 'ScheduleAnyway'],
      ['kubernetes.io/hostname', 'ScheduleAnyway'],
    ]);
    expect(spread('single-node', 'gateway')).toEqual([]);
  });

  it('a changed setting starts them anew', async () => {
    const checksum = async (config: object) =>
      podsIn((await built?.render('ops', 'default', { config }))?.manifests ?? []).get('parley-ops')?.metadata.annotations?.[
        'checksum/config'
      ];
    expect(await checksum({})).toBe(await checksum({}));
    expect(await checksum({ LOG_LEVEL: 'debug' })).not.toBe(await checksum({}));
  });

  it('are counted by one only: a Deployment that is scaled names no replicas, and a single pod has no disruption budget', () => {
    for (const scenario of scenarios) {
      for (const app of appsIn(scenario)) {
        const { spec } = named(of(scenario), 'Deployment', `parley-${app}`);
        const ofApp = (kind: string) => of(scenario).find((each) => each.kind === kind && each.metadata.name === `parley-${app}`);
        const scaler = ofApp('HorizontalPodAutoscaler') ?? ofApp('ScaledObject');
        expect({ scenario, app, isScaled: scaler !== undefined }).toEqual({ scenario, app, isScaled: spec.replicas === undefined });
        const least = scaler?.['spec'].minReplicas ?? scaler?.['spec'].minReplicaCount ?? spec.replicas;
        const disruption = ofApp('PodDisruptionBudget');
        const { maxUnavailable, selector } = disruption?.['spec'] ?? {};
        const one = { maxUnavailable: 1, selector: spec.selector };
        expect({ scenario, app, maxUnavailable, selector }).toEqual({ scenario, app, ...(least > 1 ? one : {}) });
      }
    }
  });
});

describeCharts('the network', () => {
  const selects = (policy: Manifest, labels: Readonly<Record<string, string>>): boolean => {
    const { matchLabels = {}, matchExpressions = [] } = policy['spec'].podSelector as {
      matchLabels?: Record<string, string>;
      matchExpressions?: { key: string; values: string[] }[];
    };
    return (
      Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
      matchExpressions.every(({ key, values }) => values.includes(labels[key] ?? ''))
    );
  };

  it.each(scenarios.filter((each) => each !== 'single-node'))(
    '%s: every pod is closed by default and has a policy of its own',
    (scenario) => {
      const policies = of(scenario).filter(({ kind }) => kind === 'NetworkPolicy');
      const closed = named(policies, 'NetworkPolicy', 'parley-default-deny');
      expect(closed['spec']).toEqual({
        podSelector: { matchLabels: { 'app.kubernetes.io/instance': 'parley' } },
        policyTypes: ['Ingress', 'Egress'],
      });
      for (const [name, pod] of podsIn(of(scenario))) {
        const mine = policies.filter((policy) => selects(policy, pod.metadata.labels ?? {}));
        expect({ name, policies: mine.length }).toEqual({ name, policies: 2 });
        expect(mine).toContain(closed);
      }
    },
  );

  it('no policy opens the addresses where clouds keep their credentials', () => {
    const open = of('production')
      .concat(of('default'))
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .flatMap(({ spec }) =>
        (spec.egress ?? []).flatMap((rule: { to?: { ipBlock?: { cidr: string; except?: string[] } }[] }) => rule.to ?? []),
      )
      .flatMap(({ ipBlock }: { ipBlock?: { cidr: string; except?: string[] } }) => (ipBlock?.cidr === '0.0.0.0/0' ? [ipBlock.except] : []));
    expect(open.length).toBeGreaterThan(10);
    for (const except of open) expect(except).toEqual(['169.254.0.0/16']);
  });

  it('callers reach gateway and realtime, on port 8080 and on the paths of the API and the console only', () => {
    for (const app of appsIn('production')) {
      const { ingress } = named(of('production'), 'NetworkPolicy', `parley-${app}`)['spec'] as { ingress: { ports: { port: number }[] }[] };
      const ports = ingress.flatMap((rule) => rule.ports.map(({ port }) => port));
      expect({ app, ports }).toEqual({ app, ports: ['gateway', 'realtime'].includes(app) ? [9090, 8080] : [9090] });
    }
    const paths = of('production')
      .filter(({ kind }) => kind === 'Ingress')
      .flatMap(({ spec }) => spec.rules[0].http.paths as { path: string; pathType: string }[]);
    expect(paths).toContainEqual(expect.objectContaining({ path: '/v1/ws', pathType: 'Exact' }));
    expect(paths).toContainEqual(expect.objectContaining({ path: '/', pathType: 'Exact' }));
    const open = paths.filter(({ path, pathType }) => /livez|readyz|metrics/.test(path) || (path === '/' && pathType !== 'Exact'));
    expect(open).toEqual([]);
  });

  it('an app reaches the servers that it asks, and no other', () => {
    const asking = (port: number) =>
      apps.filter((app) =>
        (named(of('default'), 'NetworkPolicy', `parley-${app}`)['spec'].egress as { ports: { port: number }[] }[]).some(({ ports }) =>
          ports.some((each) => each.port === port),
        ),
      );
    for (const port of [5_432, 5_672, 6_379]) expect(asking(port)).toEqual(apps);
    expect(asking(8_000)).toEqual(['gateway', 'embedding', 'ops']);
    expect(asking(15_672)).toEqual(['gateway', 'ops']);
  });

  it('spans have a way out where they have a destination', () => {
    const ports = (scenario: string) =>
      named(of(scenario), 'NetworkPolicy', 'parley-scoring')['spec'].egress.flatMap((rule: { ports: { port: number }[] }) =>
        rule.ports.map(({ port }) => port),
      );
    expect(ports('production')).toContain(4_318);
    expect(ports('default')).not.toContain(4_318);
  });

  it('Prometheus and ops read metrics, and nothing else does', () => {
    const [metrics] = named(of('default'), 'NetworkPolicy', 'parley-gateway')['spec'].ingress as {
      from: object[];
      ports: { port: number }[];
    }[];
    expect(metrics?.ports).toEqual([{ protocol: 'TCP', port: 9090 }]);
    expect(metrics?.from).toEqual([
      { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'ops', 'app.kubernetes.io/instance': 'parley' } } },
      { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
    ]);
  });
});

describeCharts('a release', () => {
  it('changes the database before its pods, and needs nothing of itself for it', () => {
    const jobs = of('production').filter(({ kind }) => kind === 'Job');
    expect(jobs.map(({ metadata }) => [metadata.name, metadata.annotations?.['helm.sh/hook-weight']])).toEqual([
      ['parley-migrate', '-5'],
      ['parley-rabbitmq-users', '-6'],
    ]);
    for (const { metadata, spec } of jobs) {
      expect(metadata.annotations).toMatchObject({
        'helm.sh/hook': 'pre-install,pre-upgrade',
        'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
      });
      const pod = spec.template.spec;
      // What the release itself brings is not there yet when the hook runs for the first time.
      expect([pod.serviceAccountName, pod.containers[0].envFrom]).toEqual([undefined, undefined]);
    }
    expect(containerOf(podsIn(of('production')).get('parley-migrate') as Manifest)['args']).toEqual(['ops', 'migrate']);
  });

  it('with servers of its own changes them after they are there', () => {
    for (const { metadata } of of('kind').filter(({ kind }) => kind === 'Job'))
      expect(metadata.annotations?.['helm.sh/hook']).toBe('post-install,pre-upgrade');
  });

  it('has no CronJob: ops keeps the schedule of the night itself', () => {
    for (const scenario of scenarios) expect(of(scenario).filter(({ kind }) => kind === 'CronJob')).toEqual([]);
    expect(configOf('production', 'ops')).toMatchObject({ NIGHTLY_AT: '03:00', NIGHTLY_TIME_ZONE: 'Asia/Ho_Chi_Minh' });
  });

  it('brings every dashboard as it is, for the sidecar of Grafana', async () => {
    const board = '{\n  "title": "{{ $labels.queue }} of $queue"\n}';
    mkdirSync(join(built?.folder ?? '', 'parley/files/dashboards'), { recursive: true });
    writeFileSync(join(built?.folder ?? '', 'parley/files/dashboards/Example.json'), `${board}\n`);
    const { manifests } = (await built?.render('parley', 'production')) ?? { manifests: [] };
    const { data, metadata } = named(manifests, 'ConfigMap', 'parley-dashboard-example');
    expect((data as Record<string, string>)['Example.json']?.trim()).toBe(board);
    expect(metadata.labels).toMatchObject({ grafana_dashboard: '1' });
  });

  it('gives scraped metrics the labels that the rules ask for', () => {
    interface Endpoint {
      readonly honorLabels: boolean;
      readonly relabelings: readonly { readonly targetLabel: string; readonly replacement: string }[];
    }
    const monitors = of('production').filter(({ kind }) => kind === 'ServiceMonitor');
    const endpoints = monitors.flatMap(({ spec }) => (spec as { endpoints: readonly Endpoint[] }).endpoints);
    const given = endpoints.map(({ honorLabels, relabelings }) => ({
      honorLabels,
      labels: Object.fromEntries(relabelings.map(({ targetLabel, replacement }) => [targetLabel, replacement])),
    }));

    expect(given).toHaveLength(apps.length);
    expect(given).toEqual(expect.arrayContaining(apps.map((service) => ({ honorLabels: true, labels: { job: 'parley', service } }))));
  });

  it('brings the alert rules that Prometheus is tested with', () => {
    const { groups } = parse(readFileSync('docker/prometheus/rules.yml', 'utf8')) as { groups: object[] };
    expect(groups.length).toBeGreaterThan(1);
    expect(named(of('production'), 'PrometheusRule', 'parley')['spec']).toEqual({ groups });
  });
});
