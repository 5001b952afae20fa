import type { FlowEdge, FlowNode } from '#lib/contracts/admin-live';
import { type DependencyName, dependencies } from '#lib/contracts/dependencies';
import { type ConsumingApp, pipeline, type QueueRow, queues } from '#lib/contracts/pipeline';

/** The pipeline as it is drawn. */
export interface Flow {
  readonly nodes: readonly FlowNode[];
  readonly edges: readonly FlowEdge[];
}

/** Columns from left to right: who asks, what takes it in, the outbox, the exchange, the queues, who works them off, what they store in. */
const [CLIENTS, INTAKE, OUTBOX, EXCHANGE, QUEUES, WORKERS, STORES] = [0, 1, 2, 3, 4, 5, 6];

/** Where the exchange is: drawn as that, and not as a store. */
const BROKER = 'rabbitmq' satisfies DependencyName;

/** What the apps without a queue call, which no row of the pipeline says. */
const CALLED_BY = {
  gateway: ['postgres', 'redis', 'chroma', 'embedder'],
  realtime: ['postgres', 'redis'],
} as const satisfies Readonly<Record<string, readonly DependencyName[]>>;

/** The graph of {@link queues}: whatever that table says is drawn, and nothing else has to be changed. */
export function pipelineFlow(): Flow {
  const rows = Object.entries<QueueRow>(queues);
  const workers = [...new Set(rows.map(([, { app }]) => app))];
  return {
    nodes: [
      { id: 'clients', kind: 'client', label: 'clients', column: CLIENTS },
      ...Object.keys(CALLED_BY).map((service) => appNode(service, INTAKE)),
      { id: 'outbox', kind: 'outbox', label: 'outbox', column: OUTBOX },
      { id: 'exchange', kind: 'exchange', label: 'parley.events', column: EXCHANGE, dependency: BROKER },
      ...rows.flatMap(nodesOfQueue),
      ...workers.map((app) => appNode(app, WORKERS)),
      ...dependencies
        .filter((name) => name !== BROKER)
        .map((name): FlowNode => ({ id: `store:${name}`, kind: 'store', label: name, column: STORES, dependency: name })),
    ],
    edges: [
      ...Object.keys(CALLED_BY).map((service) => edge('clients', appId(service), 'request')),
      ...Object.keys(CALLED_BY).map((service) => edge(appId(service), 'outbox', 'call')),
      edge('outbox', 'exchange', 'event'),
      ...rows.flatMap(edgesOfQueue),
      ...workers.flatMap(edgesOfWorker),
      ...Object.entries(CALLED_BY).flatMap(([service, called]) => called.map((name) => edge(appId(service), `store:${name}`, 'call'))),
    ],
  };
}

const appId = (service: string): string => `app:${service}`;
const queueId = (name: string): string => `queue:${name}`;
const retryId = (name: string): string => `retry:${name}`;
const deadId = (name: string): string => `dead:${name}`;

const appNode = (service: string, column: number): FlowNode => ({ id: appId(service), kind: 'app', label: service, column, service });

const edge = (from: string, to: string, kind: FlowEdge['kind'], events: readonly string[] = []): FlowEdge => ({
  from,
  to,
  kind,
  events: [...events],
});

function nodesOfQueue([name, row]: readonly [string, QueueRow]): FlowNode[] {
  const own: FlowNode = { id: queueId(name), kind: 'queue', label: name, column: QUEUES };
  // What waits in a queue of requests is answered within seconds or dropped: section `queues` has no row of it.
  if (row.kind === 'requests') return [own];
  return [
    { ...own, queue: name },
    { id: retryId(name), kind: 'retry', label: 'retry', column: QUEUES, queue: name },
    { id: deadId(name), kind: 'dead-letters', label: 'dead letters', column: QUEUES, queue: name },
  ];
}

function edgesOfQueue([name, row]: readonly [string, QueueRow]): FlowEdge[] {
  const consumer = appId(row.app);
  if (row.kind === 'requests') {
    return [...row.producers.map((app) => edge(appId(app), queueId(name), 'request')), edge(queueId(name), consumer, 'request')];
  }
  return [
    edge('exchange', queueId(name), 'event', row.hears),
    edge(queueId(name), consumer, 'event', row.hears),
    edge(consumer, retryId(name), 'retry'),
    edge(retryId(name), queueId(name), 'retry'),
    edge(consumer, deadId(name), 'give-up'),
  ];
}

function edgesOfWorker(app: ConsumingApp): FlowEdge[] {
  const rows = Object.values(pipeline).filter((row) => row.app === app);
  const emitted = [...new Set(rows.flatMap(({ emits }) => emits))];
  const called = [...new Set(rows.flatMap(({ pausesWith }) => pausesWith))];
  return [
    ...(emitted.length === 0 ? [] : [edge(appId(app), 'exchange', 'event', emitted)]),
    ...called.map((name) => edge(appId(app), `store:${name}`, 'call')),
  ];
}
