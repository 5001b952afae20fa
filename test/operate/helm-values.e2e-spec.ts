import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findTool } from '#lib/devstack/tools/find-tool';
import { type App, apps, type Chart, Charts, charts } from './helm/charts.js';

const helm = await findTool('helm');
let built: Charts | undefined;
const loaded = (): Charts => {
  if (built === undefined) throw new Error('the charts are not built');
  return built;
};
beforeAll(async () => {
  if ('path' in helm) built = await Charts.built(helm.path);
});
afterAll(() => built?.[Symbol.dispose]());

/** Renders at once two by two: a rendering takes a fifth of a second of a core. */
async function twoByTwo<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += 2) results.push(...(await Promise.all(items.slice(i, i + 2).map(work))));
  return results;
}

/** Values that the schema of a chart refuses, each with what Helm says. */
type Refused = readonly [values: object, says: string];

const globals: readonly Refused[] = [
  [{ global: { imagee: {} } }, 'Additional property imagee is not allowed'],
  [{ global: { image: { pullPolicy: 'Sometimes' } } }, 'global.image.pullPolicy'],
  [{ global: { image: { digest: 'sha256:abc' } } }, 'global.image.digest'],
  [{ global: { config: { LOG_LEVEL: 'loud' } } }, 'LOG_LEVEL'],
  [{ global: { config: { LLM_API_KEY: 'secret' } } }, 'Additional property LLM_API_KEY is not allowed'],
  [{ global: { config: { DATABASE_URL: 'postgres://db' } } }, 'Additional property DATABASE_URL is not allowed'],
  [{ global: { config: { HTTP_MAX_CONCURRENT: 0 } } }, 'HTTP_MAX_CONCURRENT'],
  [{ global: { config: { PORT: 80 } } }, 'Additional property PORT is not allowed'],
  [{ global: { postgres: { maxConnections: '100' } } }, 'global.postgres.maxConnections'],
  [{ global: { networkPolicy: { servers: { mysql: {} } } } }, 'Additional property mysql is not allowed'],
  [{ global: { shutdown: { preStopSeconds: 0 } } }, 'global.shutdown.preStopSeconds'],
];

const everyApp: readonly Refused[] = [
  [{ replica: 2 }, 'Additional property replica is not allowed'],
  [{ replicas: '2' }, 'replicas: Invalid type'],
  [{ replicas: 0 }, 'replicas: Must be greater than or equal to 1'],
  [{ surge: -1 }, 'surge'],
  [{ poolSize: 5 }, 'poolSize: Must be greater than or equal to 6'],
  [{ resources: { memory: '1GB2' } }, 'resources.memory'],
  [{ resources: { limits: {} } }, 'Additional property limits is not allowed'],
  [{ existingSecret: 'Not A Name' }, 'existingSecret'],
  [{ networkPolicy: { httpsTo: ['api.example.com'] } }, 'networkPolicy.httpsTo'],
  [{ config: { WEB_CONCURRENCY: 4 } }, 'Additional property WEB_CONCURRENCY is not allowed'],
  [{ tolerations: {} }, 'tolerations: Invalid type'],
  [{ podLabels: { tier: 1 } }, 'podLabels.tier'],
];

const scaledByQueues: readonly Refused[] = [
  [{ keda: { queues: { 'embedding.massages': 5 } } }, 'Additional property embedding.massages is not allowed'],
  [{ keda: { minReplicas: 0 } }, 'keda.minReplicas'],
  [{ autoscaling: { enabled: true } }, 'Additional property autoscaling is not allowed'],
];
const answersCallers: readonly Refused[] = [
  [{ autoscaling: { cpuPercent: 0 } }, 'autoscaling.cpuPercent'],
  [{ service: { type: 'External' } }, 'service.type'],
  [{ timeoutSeconds: 30 }, 'timeoutSeconds'],
  [{ ingress: { hosts: ['a'] } }, 'Additional property hosts is not allowed'],
  [{ keda: { enabled: true } }, 'Additional property keda is not allowed'],
];

const own: Readonly<Record<Chart, readonly Refused[]>> = {
  gateway: [...answersCallers, [{ workers: 0 }, 'workers'], [{ workers: 64 }, 'workers']],
  realtime: [...answersCallers, [{ workers: 2 }, 'Additional property workers is not allowed']],
  embedding: scaledByQueues,
  scoring: scaledByQueues,
  delivery: scaledByQueues,
  ops: [
    [{ metricsOf: ['gateways'] }, 'metricsOf'],
    [{ keda: { enabled: true } }, 'Additional property keda is not allowed'],
  ],
  parley: [
    [{ gatewy: { enabled: false } }, 'Additional property gatewy is not allowed'],
    [{ gateway: { enabled: 'no' } }, 'enabled'],
    [{ gateway: { poolSize: 1 } }, 'gateway:\n- poolSize'],
    [{ migration: { resources: { memory: 'much' } } }, 'migration.resources.memory'],
    [{ migration: { deadlineSeconds: 1 } }, 'migration.deadlineSeconds'],
    [{ rabbitmqUsers: { vhost: '' } }, 'rabbitmqUsers.vhost'],
    [{ devServers: { password: 'secret' } }, 'Additional property password is not allowed'],
  ],
};

describe.skipIf('missing' in helm)(`values (${'missing' in helm ? helm.missing : 'helm'})`, () => {
  it.each(charts)('the schema of %s refuses what it does not know and what cannot be, and says where', async (chart) => {
    const refused = [...(chart === 'parley' ? globals : [...everyApp, ...globals.slice(0, 5)]), ...own[chart]];
    expect(refused.length).toBeGreaterThanOrEqual(10);
    const results = await twoByTwo(refused, async ([values, says]) => ({ says, ...(await loaded().render(chart, 'default', values)) }));
    for (const { says, code, error, text } of results) {
      expect({ says, code, text }).toEqual({ says, code: 1, text: '' });
      expect(error).toContain("values don't meet the specifications of the schema");
      expect(error).toContain(says);
    }
  });
});

/** A chart, values that contradict one another, what it says, and the same values without the contradiction. */
type Contradiction = readonly [name: string, chart: Chart, wrong: object, says: string, right: object];

const budget = { poolSize: 25, workers: 4, resources: { memory: '2Gi' } };
const openai = { LLM_PROVIDER: 'openai', LLM_BASE_URL: 'https://api.groq.com/openai/v1', LLM_MODEL: 'm' };
const contradictions: readonly Contradiction[] = [
  [
    'three pods of four workers with pools of 25 against 100 connections',
    'gateway',
    { replicas: 3, surge: 0, ...budget, global: { postgres: { maxConnections: 100 } } },
    'connection budget: 300 connections needed, 72 available. (maxReplicas + surge) x workers x poolSize: gateway (3 + 0) x 4 x 25 = 300; available: 80 % of (max_connections 100 - 10) - 0 of others.',
    { replicas: 3, surge: 0, ...budget, global: { postgres: { maxConnections: 385 } } },
  ],
  [
    'the same with the pod of a rollout',
    'gateway',
    { replicas: 3, surge: 1, ...budget, global: { postgres: { maxConnections: 385 } } },
    'raise global.postgres.maxConnections (and that of the server) to 510',
    { replicas: 3, surge: 1, ...budget, global: { postgres: { maxConnections: 510 } } },
  ],
  [
    'apps that fit alone and not together',
    'parley',
    { global: { postgres: { maxConnections: 160 } } },
    'connection budget: 124 connections needed, 120 available',
    { global: { postgres: { maxConnections: 165 } } },
  ],
  [
    'a limit of scaling beyond the budget',
    'parley',
    { embedding: { keda: { enabled: true, maxReplicas: 40 } } },
    'embedding (40 + 1) x 1 x 8 = 328',
    { embedding: { keda: { enabled: true, maxReplicas: 3 } } },
  ],
  [
    'more workers than memory',
    'gateway',
    { workers: 3 },
    '3 workers need 256Mi each, resources.memory is 512Mi: raise it to 768Mi',
    { workers: 2 },
  ],
  [
    'two realtime pods without Redis',
    'realtime',
    { global: { redis: { enabled: false } } },
    'realtime: 2 pods x 1 workers without Redis',
    { replicas: 1, global: { redis: { enabled: false } } },
  ],
  [
    'the tag latest',
    'ops',
    { global: { image: { tag: 'latest' } } },
    '`latest` names another image tomorrow',
    { global: { image: { tag: '1.2.3' } } },
  ],
  [
    'a most below the least',
    'gateway',
    { autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 2 } },
    'autoscaling.maxReplicas 2 is below minReplicas 3',
    { autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 3 } },
  ],
  [
    'a fallback outside of the budget',
    'delivery',
    { keda: { enabled: true, maxReplicas: 2, fallbackReplicas: 3 } },
    'keda.fallbackReplicas 3 is above maxReplicas 2',
    { keda: { enabled: true, maxReplicas: 2, fallbackReplicas: 2 } },
  ],
  [
    'a language model behind a closed network',
    'scoring',
    { config: openai },
    'LLM_PROVIDER needs a way out, and the NetworkPolicy has none',
    { config: openai, networkPolicy: { httpsTo: ['198.51.100.0/24'] } },
  ],
  [
    'a folder of objects for each pod',
    'gateway',
    { config: { OBJECT_STORE_URL: 'file:///data' } },
    'OBJECT_STORE_URL is a folder that every pod would have for itself',
    { global: { objectStore: { existingClaim: 'objects' } } },
  ],
  [
    'an embedding cache that does not fit into memory',
    'embedding',
    { config: { EMBEDDING_CACHE_SIZE: 1_000_000 } },
    'more than half of resources.memory 1Gi',
    { config: { EMBEDDING_CACHE_SIZE: 200_000 } },
  ],
  [
    'a model of its own for one app',
    'embedding',
    { config: { EMBEDDING_DIMENSION: 512 } },
    'config.EMBEDDING_DIMENSION: apps that differ in it look for vectors where the others put none',
    { global: { config: { EMBEDDING_DIMENSION: 512 } } },
  ],
  [
    'an Ingress for every host',
    'gateway',
    { ingress: { enabled: true } },
    'ingress.host is empty',
    { ingress: { enabled: true, host: 'chat.example.com' } },
  ],
  [
    'a route that no Gateway serves',
    'realtime',
    { httpRoute: { enabled: true, hostnames: ['chat.example.com'] } },
    'httpRoute.parentRefs is empty',
    { httpRoute: { enabled: true, hostnames: ['chat.example.com'], parentRefs: [{ name: 'public' }] } },
  ],
  ['no Chroma', 'ops', { global: { config: { CHROMA_URL: '' } } }, 'global.config.CHROMA_URL is not set', {}],
];

describe.skipIf('missing' in helm)(`contradictions (${'missing' in helm ? helm.missing : 'helm'})`, () => {
  it.each(contradictions)('%s: %s does not render and says why', async (_, chart, wrong, says, right) => {
    const refused = await loaded().render(chart, 'default', wrong);
    expect({ code: refused.code, text: refused.text }).toEqual({ code: 1, text: '' });
    expect(refused.error).toContain(says);
    const accepted = await loaded().render(chart, 'default', right);
    expect({ code: accepted.code, error: accepted.error }).toEqual({ code: 0, error: '' });
  });

  it.each<[App, object, string]>([
    [
      'embedding',
      { keda: { enabled: true } },
      'keda.enabled is switched on, but the cluster does not serve keda.sh/v1alpha1: install KEDA first',
    ],
    ['ops', { global: { monitoring: { serviceMonitor: { enabled: true } } } }, 'the cluster does not serve monitoring.coreos.com/v1'],
    [
      'gateway',
      { httpRoute: { enabled: true, hostnames: ['a.example'], parentRefs: [{ name: 'g' }] } },
      'does not serve gateway.networking.k8s.io/v1',
    ],
  ])('%s asks for nothing that the cluster does not serve', async (chart, values, says) => {
    const { code, error } = await loaded().render(chart, 'default', values, []);
    expect({ code, says: error.includes(says) }).toEqual({ code: 1, says: true });
  });

  it('a single app renders by itself', async () => {
    for (const app of apps) expect((await loaded().render(app)).error).toBe('');
  });
});
