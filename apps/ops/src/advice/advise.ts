import type { ScalingAdvice } from '#lib/contracts/scaling';
import { ceiling, connectionsOf, maxConnectionsFor, MOST_WORKERS, poolCap, poolNeed, workersMax } from './derived.js';
import { type Finding, percent, rounded, Situation } from './finding.js';
import { fitScalability, peakOf, throughputOf } from './scalability-law.js';
import type { LoadWindow, ServiceSnapshot, SharedLimits, UnknownService } from './snapshot.js';
import { steps } from './steps.js';

/** The smallest DB_POOL_SIZE that a process takes (libs/runtime config.ts): each of its lanes needs a connection. */
const POOL_LEAST = 6;
/** Doubling the workers must gain at least this. */
const WORTHWHILE = 0.15;
/** An orchestrator finds a place and pulls the image; the start of the process comes on top. R044: 30 to 60 s. */
const POD_SECONDS = 30;
const MANY_SMALL_PODS = 4;
const SMALLEST_POOL = 2;

/**
 * What to do about one service: the steps of docs/operate/scaling.md in their order, the first that applies decides. What would scale up is held
 * against the connection budget and the measured scalability once more.
 */
export function advise(service: ServiceSnapshot, shared: SharedLimits): ScalingAdvice {
  const situation = new Situation(service, shared);
  const found = firstOf(situation) ?? steady(situation);
  const finding = inBudget(situation, worthwhile(situation, found));
  const now = sizeOf(service);
  const to = { ...now, ...finding.to };
  const { budget } = situation;
  const held = (size: typeof now) => shared.otherConnections + connectionsOf({ ...size, surge: service.surge });
  return {
    service: service.service,
    action: finding.action,
    rule: finding.rule,
    rebalance: finding.rebalance ?? false,
    now,
    to,
    reason: finding.reason,
    numbers: { ...finding.numbers },
    checks: [...(finding.checks ?? []), ...smallPool(to.poolSize, now.poolSize), ...mistakes(service)],
    connections: budget === undefined ? null : { now: held(now), after: held(to), budget },
    watch: [...(finding.watch ?? [])],
    confidence: confidenceOf(finding, budget),
    etaSeconds: etaOf(finding, service),
  };
}

/** The refusal to advise on a service about which too little is known. */
export function refuse({ service, pods, unknown }: UnknownService): ScalingAdvice {
  const size = { pods, workers: null, poolSize: null, concurrency: null };
  return {
    service,
    action: 'none',
    rule: 0,
    rebalance: false,
    now: size,
    to: size,
    reason: `No advice: ${unknown.join(', ')} not known.`,
    numbers: {},
    checks: [],
    connections: null,
    watch: [],
    confidence: 'low',
    etaSeconds: null,
  };
}

/** The same service if so many times as much came in: what grows with the load is multiplied, what it costs to wait is not known and stays. */
export function atLoad(service: ServiceSnapshot, factor: number): ServiceSnapshot {
  const { memoryLimit, memoryEmpty, queue, sockets } = service;
  const empty = memoryEmpty / memoryLimit;
  const scaled = (window: LoadWindow): LoadWindow => ({
    ...window,
    cpu: window.cpu * factor,
    eventLoops: { sum: window.eventLoops.sum * factor, max: window.eventLoops.max * factor, min: window.eventLoops.min * factor },
    memory: sockets === undefined ? window.memory : empty + (window.memory - empty) * factor,
    arrivals: window.arrivals * factor,
    connectionsInUse: window.connectionsInUse * factor,
  });
  const [newest, before] = service.windows;
  return {
    ...service,
    sockets: sockets === undefined ? undefined : sockets * factor,
    windows: [scaled(newest), scaled(before)],
    queue: queue === undefined ? undefined : { ...queue, arrivals: queue.arrivals * factor },
  };
}

function firstOf(situation: Situation): Finding | undefined {
  for (const step of steps) {
    const finding = step(situation);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

const steady = ({ now }: Situation): Finding => ({
  rule: 11,
  action: 'none',
  reason: `Nothing asks for it: CPU ${percent(now.cpu)}, busiest event loop ${percent(now.eventLoops.max)}, memory ${percent(now.memory)}.`,
  numbers: { cpu: rounded(now.cpu), eventLoop: rounded(now.eventLoops.max), memory: rounded(now.memory) },
});

const sizeOf = ({ pods, workers, poolSize, queue }: ServiceSnapshot) => ({
  pods,
  workers,
  poolSize,
  concurrency: queue?.concurrency ?? null,
});

const grows = ({ pods, workers }: ServiceSnapshot, { to }: Finding): boolean =>
  (to?.pods ?? pods) * (to?.workers ?? workers) > pods * workers;

/** Measured throughput may say that more workers get in each other's way. */
function worthwhile({ service }: Situation, finding: Finding): Finding {
  const law = grows(service, finding) && finding.rule !== 9 ? fitScalability(service.loadPoints) : undefined;
  if (law === undefined) return finding;
  const workers = service.pods * service.workers;
  const gain = throughputOf(law, 2 * workers) / throughputOf(law, workers) - 1;
  const best = peakOf(law);
  const numbers = { ...finding.numbers, gainOfDoubling: rounded(gain), ...(Number.isFinite(best) ? { bestWorkers: rounded(best) } : {}) };
  if (gain >= WORTHWHILE) return { ...finding, numbers };
  return {
    rule: finding.rule,
    action: 'none',
    reason: `Twice as many workers would handle ${percent(gain)} more: they wait for each other (contention). Find what they share before adding any.`,
    numbers,
    watch: ['db_pool_wait_seconds', 'dependency_call_duration_seconds'],
  };
}

/** What grows must fit into Postgres, if need be with a smaller pool. */
function inBudget({ service, shared, budget, now }: Situation, finding: Finding): Finding {
  if (budget === undefined || !grows(service, finding)) return finding;
  const { surge, poolSize } = service;
  const pods = finding.to?.pods ?? service.pods;
  const workers = finding.to?.workers ?? service.workers;
  const total = shared.otherConnections + connectionsOf({ pods, surge, workers, poolSize });
  if (total <= budget) return finding;
  const cap = poolCap({ pods, surge, workers }, budget, shared.otherConnections);
  const need = poolNeed(now.connectionsInUse, pods, workers);
  const numbers = { ...finding.numbers, connections: total, budget, poolCap: cap, poolNeed: need };
  const needed = maxConnectionsFor(total, shared.reserved);
  if (cap < SMALLEST_POOL) {
    return {
      rule: 2,
      action: 'none',
      reason: `${finding.reason} But Postgres has no connections for it: ${total}, and ${budget} may be used. First put PgBouncer in between, or raise max_connections to ${needed}.`,
      numbers,
      watch: ['connection_budget_ratio'],
    };
  }
  const short =
    cap < need ? [`A pool of ${cap} is less than the ${need} that are in use: raise max_connections to ${needed}, or use PgBouncer.`] : [];
  return {
    ...finding,
    to: { ...finding.to, poolSize: Math.min(poolSize, cap) },
    reason: `${finding.reason} The pool of each worker becomes ${cap}, so that ${connectionsOf({ pods, surge, workers, poolSize: cap }) + shared.otherConnections} of ${budget} connections are used (${need} are needed).`,
    numbers,
    checks: [...(finding.checks ?? []), ...short],
  };
}

const smallPool = (to: number, now: number): string[] =>
  to < POOL_LEAST && to < now
    ? [`DB_POOL_SIZE is at least ${POOL_LEAST}: for ${to} use fewer workers or pods, a higher max_connections, or PgBouncer.`]
    : [];

/** Mistakes that are worth a word whatever the advice is (R045). */
function mistakes(service: ServiceSnapshot): string[] {
  const { pods, workers, isLimited, memoryEmpty } = service;
  const most = workersMax(service);
  const small = pods >= MANY_SMALL_PODS && workers === 1 && most > 1;
  return [
    ...(small
      ? [
          `${pods} pods of 1 worker: ${ceiling(pods / most)} pods of ${most} carry the same and save ${pods - ceiling(pods / most)} times ${Math.round(memoryEmpty / 1e6)} MB.`,
        ]
      : []),
    ...(workers > MOST_WORKERS ? [`${workers} workers in a pod: beyond ${MOST_WORKERS} they get in each other's way (R045).`] : []),
    ...(!isLimited.cpu ? ['No CPU limit is set: 2 cores are where to begin (R045).'] : []),
    ...(!isLimited.memory ? ['No memory limit is set: 4 GB are where to begin (R045).'] : []),
  ];
}

/** How far the figures carry: arithmetic is certain, a guess at causes is not. */
function confidenceOf({ rule, action }: Finding, budget: number | undefined): ScalingAdvice['confidence'] {
  if (budget === undefined) return 'low';
  if (rule === 8 || (rule === 3 && action === 'none')) return 'low';
  return [5, 6, 7].includes(rule) ? 'medium' : 'high';
}

function etaOf({ action }: Finding, { startSeconds, pods }: ServiceSnapshot): number | null {
  if (action === 'none') return null;
  if (action === 'pods') return Math.round(POD_SECONDS + startSeconds);
  return Math.round(action === 'workers' ? startSeconds : startSeconds * pods);
}
