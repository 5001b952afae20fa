import { z } from 'zod';
import { type QueueRow, queues } from '#lib/contracts/pipeline';
import { type SettingName, settings } from '#lib/runtime/config/config';
import { flag, kubernetes, list, name, object, type Schema, text, texts, whole } from './json-schema.js';

/** The apps that have a chart, each with its own `values.schema.json`. */
export const chartedApps = ['gateway', 'realtime', 'embedding', 'scoring', 'delivery', 'ops'] as const;
export type ChartedApp = (typeof chartedApps)[number];

/** Settings that the chart works out of other values: to give them twice would be to contradict oneself. */
const DECIDED: readonly SettingName[] = ['PORT', 'HOST', 'OPERATIONS_PORT', 'WEB_CONCURRENCY', 'DB_POOL_SIZE', 'METRICS_TARGETS'];

/** Settings that are no secrets and work only with one: they are keys of the same Secret, so that a process has both or none. */
const PAIRED: readonly SettingName[] = ['S3_ACCESS_KEY_ID', 'ONESIGNAL_APP_ID', 'LANGFUSE_PUBLIC_KEY'];

const memory = text('Memory, asked for and limit in one: Mi or Gi. The heap gets 75 % of it, shared by the workers.', {
  pattern: '^[1-9][0-9]{0,5}(\\.[0-9]+)?(Mi|Gi)$',
});
const cpu = (description: string, pattern: string): Schema => ({ description, type: ['string', 'number'], pattern });

const resources = object('What one pod asks for and may take.', {
  cpu: cpu('CPU asked for, in cores (2) or thousandths (250m).', '^[0-9]+(\\.[0-9]+)?m?$'),
  memory,
  ephemeralStorage: text('Files in /tmp: Mi or Gi.', { pattern: '^[1-9][0-9]{0,5}(Mi|Gi)$' }),
  cpuLimit: cpu('Most CPU; empty = what the node has to spare.', '^([0-9]+(\\.[0-9]+)?m?)?$'),
});

const peers = (description: string): Schema => list(description, kubernetes('A NetworkPolicyPeer.'));

const server = (what: string): Schema =>
  object(`Where ${what} is.`, {
    port: whole('Its port.', 1, 65_535),
    to: peers('NetworkPolicy peers; empty = any address but link-local ones.'),
  });

/** One schema for each setting that is no secret, with its sentence. Secrets are refused here: they would stand in a ConfigMap. */
const configFields = (): Record<string, Schema> =>
  Object.fromEntries(
    (Object.keys(settings) as SettingName[])
      .filter((each) => !('secret' in settings[each]) && !DECIDED.includes(each) && !PAIRED.includes(each))
      .map((each) => [each, settingSchema(each)]),
  );

const settingSchema = (each: SettingName): Schema => {
  const { schema, doc } = settings[each];
  const { type, enum: choices, minimum, maximum } = z.toJSONSchema(schema as z.ZodType, { unrepresentable: 'any' });
  if (choices !== undefined) return { description: doc, enum: choices };
  if (type !== 'integer' && type !== 'number') return text(doc);
  return { description: doc, type, minimum, maximum };
};

const SETTINGS = { $ref: '#/definitions/settings' } as const;
const GLOBALS = { $ref: '#/definitions/globals' } as const;

/** Fields of `global`. */
const globalFields = (): Record<string, Schema> => ({
  image: object('The image of all processes.', {
    repository: text('Without tag.', { minLength: 1 }),
    tag: text('Empty = the version of the chart. `latest` is refused.', { pattern: '^[A-Za-z0-9_.-]*$' }),
    digest: text('Wins over the tag.', { pattern: '^(sha256:[a-f0-9]{64})?$' }),
    pullPolicy: { description: 'When the kubelet pulls it.', enum: ['Always', 'IfNotPresent', 'Never'] },
    pullSecrets: list('Secrets of type kubernetes.io/dockerconfigjson.', name('A name.')),
  }),
  config: SETTINGS,
  redis: object('Redis: shared limits and signals between processes.', {
    enabled: flag('Off: a single node, one pod and one worker of gateway and realtime.'),
  }),
  postgres: object('The connection budget.', {
    maxConnections: whole('`max_connections` of the server.', 20, 100_000),
    otherConnections: whole('Connections that others hold there.', 0, 100_000),
  }),
  objectStore: object('A folder for logs of ended conversations.', {
    existingClaim: name('A ReadWriteMany claim; empty = OBJECT_STORE_URL, or Postgres.'),
  }),
  networkPolicy: object('Who may talk to whom.', {
    enabled: flag('Off: every pod of the cluster reaches every process.'),
    monitoringFrom: peers('Who may read metrics on port 9090.'),
    servers: object('The servers that Parley stands on.', {
      postgres: server('Postgres'),
      rabbitmq: server('RabbitMQ'),
      rabbitmqManagement: server('the management API of RabbitMQ'),
      redis: server('Redis'),
      chroma: server('Chroma'),
      collector: server('the collector of OTEL_EXPORTER_OTLP_ENDPOINT'),
    }),
  }),
  monitoring: object('Objects for Prometheus and Grafana.', {
    serviceMonitor: object('One ServiceMonitor for each app.', {
      enabled: flag('Needs the Prometheus operator.'),
      intervalSeconds: whole('Pause between two scrapes.', 1, 300),
      labels: texts('What the operator selects by.'),
    }),
    prometheusRule: object('The alerts.', {
      enabled: flag('Needs the Prometheus operator.'),
      labels: texts('What the operator selects by.'),
    }),
    dashboards: object('The dashboards as ConfigMaps.', {
      enabled: flag('For the sidecar of Grafana.'),
      labels: texts('What the sidecar selects by.'),
    }),
  }),
  shutdown: object('Grace period = preStop + drain of the app + margin.', {
    preStopSeconds: whole('Pause before SIGTERM, in which load balancers notice.', 1, 60),
    marginSeconds: whole('Between the longest drain and SIGKILL.', 1, 60),
  }),
  topologySpread: object('Spread over zones and hosts.', { enabled: flag('Off: the scheduler decides.') }),
  checkSecrets: flag('Looks for missing Secrets in the cluster before anything is installed.'),
});

/** What several fields of one schema share: settings may be given for all apps and for one. */
const definitions = (): Schema => ({
  settings: object('Settings that are no secrets (docs/reference/configuration.md); secrets are keys of existing Secrets.', configFields()),
  globals: object('What all apps share; defaults in helm/common/values.yaml.', globalFields()),
});
const COMMON = { description: 'Defaults of the library chart, put here by Helm: not set by hand.', type: 'object' } as const;

const scheduling = {
  podAnnotations: texts('Of each pod.'),
  podLabels: texts('Of each pod.'),
  priorityClassName: name('Of each pod; empty = that of the cluster.'),
  nodeSelector: texts('Labels of nodes.'),
  tolerations: list('Taints that do not keep pods away.', kubernetes('A Toleration.')),
  affinity: kubernetes('An Affinity.'),
} as const;

const autoscaling = object('HorizontalPodAutoscaler by CPU.', {
  enabled: flag('Decides the number of pods; `replicas` is ignored then.'),
  minReplicas: whole('Fewest pods.', 1, 1_000),
  maxReplicas: whole('Most pods; counts in the connection budget.', 1, 1_000),
  cpuPercent: whole('CPU in percent of what is asked for, at which pods are added.', 20, 95),
  metrics: list('More metrics of autoscaling/v2.', kubernetes('A MetricSpec.')),
});

/** Queues of events that an app consumes; requests are gone within seconds, before a pod could start. */
const queuesOf = (app: ChartedApp): string[] =>
  Object.entries<QueueRow>(queues).flatMap(([queue, row]) => (row.app === app && row.kind === 'events' ? [queue] : []));

const keda = (app: ChartedApp): Schema =>
  object('KEDA: pods by the depth of queues.', {
    enabled: flag('Decides the number of pods; `replicas` is ignored then. Needs KEDA.'),
    minReplicas: whole('Fewest pods.', 1, 1_000),
    maxReplicas: whole('Most pods; counts in the connection budget.', 1, 1_000),
    fallbackReplicas: whole('Pods while RabbitMQ does not answer.', 1, 1_000),
    pollingSeconds: whole('Pause between two looks.', 1, 300),
    queues: object(
      'Messages per pod that may wait in each queue, ready and in work.',
      Object.fromEntries(
        queuesOf(app).map((queue) => [queue, whole(`Of ${queue}; null in the values = not by this queue.`, 1, 1_000_000)]),
      ),
    ),
    existingSecret: name('Secret with the key RABBITMQ_HTTP_URL; empty = <release>-keda.'),
  });

const forCallers = {
  autoscaling,
  service: object('The Service for callers.', {
    type: {
      description: 'NodePort and LoadBalancer show it outside of the cluster without a host name.',
      enum: ['ClusterIP', 'NodePort', 'LoadBalancer'],
    },
    annotations: texts('Of the Service.'),
  }),
  timeoutSeconds: whole('Longest wait of the load balancer: 60 for requests, 3600 for sockets.', 60, 86_400),
  ingress: object('An Ingress.', {
    enabled: flag('Makes it.'),
    className: name('Class of the controller; empty = that of the cluster.'),
    host: text('Host name.', { pattern: '^([a-z0-9*]([a-z0-9.-]*[a-z0-9])?)?$' }),
    tlsSecret: name('Secret with the certificate; empty = no TLS here.'),
    annotations: texts('For the controller.'),
  }),
  httpRoute: object('An HTTPRoute of the Gateway API.', {
    enabled: flag('Makes it. Needs the Gateway API.'),
    parentRefs: list('Gateways that serve it.', kubernetes('A ParentReference.')),
    hostnames: list('Host names.', text('One.')),
    timeouts: flag('Writes timeoutSeconds into the route. Off on GKE, which refuses it.'),
    annotations: texts('For the controller.'),
  }),
} as const;

const hasCallers = (app: ChartedApp): boolean => app === 'gateway' || app === 'realtime';

const appSchema = (app: ChartedApp): Schema =>
  object(`Values of the ${app} chart.`, {
    global: GLOBALS,
    common: COMMON,
    enabled: flag('For the umbrella chart: part of the release.'),
    replicas: whole('Pods, where nothing scales them.', 1, 1_000),
    surge: whole('Pods that a rollout may start before it stops others; they count in the connection budget.', 0, 100),
    ...(app === 'gateway' && { workers: whole('Worker processes of one pod (WEB_CONCURRENCY).', 1, 16) }),
    poolSize: whole('Connections to Postgres of one process (DB_POOL_SIZE).', 6, 200),
    resources,
    ...(hasCallers(app) && forCallers),
    ...(app !== 'ops' && !hasCallers(app) && { keda: keda(app) }),
    ...(app === 'ops' && {
      metricsOf: list('Apps of the release whose metrics ops reads.', { enum: [...chartedApps] }, { uniqueItems: true }),
    }),
    config: SETTINGS,
    existingSecret: name(`Secret with its logins; empty = <release>-${app}.`),
    networkPolicy: object('Connections of this app.', {
      ...(hasCallers(app) && { callersFrom: peers('Who may call port 8080; empty = all.') }),
      httpsTo: list('Addresses that it may reach on port 443.', text('A CIDR.', { pattern: '^[0-9a-fA-F.:]+/[0-9]{1,3}$' })),
      extraEgress: list('Other ways out.', kubernetes('A NetworkPolicyEgressRule.')),
    }),
    ...scheduling,
  });

const job = (description: string, fields: Readonly<Record<string, Schema>>): Schema =>
  object(description, {
    enabled: flag('Runs it.'),
    resources,
    deadlineSeconds: whole('Longest run, retries included.', 30, 86_400),
    ...fields,
  });

const umbrellaSchema = (): Schema =>
  object('Values of a whole release.', {
    global: GLOBALS,
    common: COMMON,
    ...Object.fromEntries(
      chartedApps.map((app) => [
        app,
        {
          description: `Values of the ${app} chart, which checks them.`,
          type: 'object',
          required: ['enabled'],
          properties: { enabled: flag('Part of the release.') },
        },
      ]),
    ),
    migration: job('The Job that brings the database up to date.', {
      existingSecret: name('Secret with DATABASE_URL, RABBITMQ_URL and DB_ROLE_PASSWORDS; empty = <release>-migrate.'),
    }),
    rabbitmqUsers: job('The Job that gives each app its RabbitMQ user.', {
      existingSecret: name('Secret with RABBITMQ_MANAGEMENT_URL and the passwords; empty = <release>-rabbitmq-users.'),
      vhost: text('Virtual host.', { minLength: 1 }),
    }),
    devServers: object("Postgres, RabbitMQ, Redis and Chroma as single pods, for one's own machine.", {
      enabled: flag('Never for data that matters.'),
      existingSecret: name('Secret with their passwords; empty = <release>-dev-servers.'),
    }),
  });

const printed = (schema: Schema): string =>
  `${JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', ...schema, definitions: definitions() }, undefined, 2)}\n`;

/** The strict schema of every chart's values, by path. */
export const chartSchemas: Readonly<Record<string, () => string>> = {
  ...Object.fromEntries(chartedApps.map((app) => [`helm/${app}/values.schema.json`, () => printed(appSchema(app))])),
  'helm/parley/values.schema.json': () => printed(umbrellaSchema()),
};
