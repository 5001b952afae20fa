import { ceiling, connectionsOf, floor, maxConnectionsFor, poolCap, poolNeed, queueNeed, workersMax } from './derived.js';
import { type Finding, percent, rounded, type Situation, type Step, time } from './finding.js';
import type { QueueView } from './snapshot.js';

const AFTER_UP_SECONDS = 60;
const AFTER_DOWN_SECONDS = 300;
const FULL = 0.8;
/** What pods should use of their CPU, event loops and memory once there are enough of them. */
const CPU_GOAL = 0.6;
const LOOP_GOAL = 0.5;
const MEMORY_GOAL = 0.65;
/** Below this a service waits rather than computes (R046). */
const IDLE_CPU = 0.5;
/** Memory below which a further worker is safe (R054). */
const MEMORY_FOR_WORKERS = 0.7;
const LONG_POOL_WAIT = 0.05;
const LONG_LAG = 0.1;
const BUSY_LOOP = 0.7;
const IDLE_LOOP = 0.6;
const UNEVEN = 2;
/** Traffic that peaks at three times its mean is met by pods that come and go. */
const BURSTY = 3;
/** Pods that take longer to start come too late for a peak (R041). */
const SLOW_START_SECONDS = 30;
/** Less than this is no backlog (R046 and the alert of the same number). */
const BACKLOG = 1_000;
/** A backlog that drains too slowly counts from here on: a few messages are what is being handled. */
const SMALL_BACKLOG = 100;
/** A restarted broker reports full queues as empty for seconds (libs/bus queue-fill.ts). */
const DEPTH_KNOWN_SECONDS = 10;
const QUIET_SECONDS = 600;
const QUIET = 0.3;
/** Fewer connections than this are no pool. */
const SMALLEST_POOL = 2;
const DATABASE_FULL = 0.8;
const GREW = 1.1;
const DID_NOT_GROW = 1.05;
/** Sockets per second that clients can be told to reconnect without hurting the others. */
const SOCKETS_PER_SECOND = 100;

/** 0: what has just changed is given time to show. */
function cooldown({ service: { changedSeconds } }: Situation): Finding | undefined {
  if (changedSeconds === undefined || changedSeconds >= AFTER_UP_SECONDS) return undefined;
  return {
    rule: 0,
    action: 'none',
    reason: `Pods or workers changed ${Math.round(changedSeconds)} s ago: the figures of ${AFTER_UP_SECONDS} s after a change say nothing yet.`,
    numbers: { changedSeconds },
  };
}

/** 1: more pods would ask a failing dependency more often. */
function brokenDependency(situation: Situation): Finding | undefined {
  const { dependencies } = situation.service;
  const broken = dependencies.find(({ isBroken }) => isBroken);
  const slow = dependencies.find(({ latencyP95, cap }) => latencyP95 !== undefined && cap !== undefined && latencyP95 > cap);
  const found = broken ?? slow;
  if (found === undefined) return undefined;
  const repair = highAvailability(situation);
  if (repair !== undefined) return repair;
  const { name, latencyP95, cap } = found;
  const why = found === broken ? 'its breaker is open' : `its P95 is ${time(latencyP95 ?? 0)} and may be ${time(cap ?? 0)}`;
  return {
    rule: 1,
    action: 'none',
    reason: `Fix ${name} first: ${why}. More pods or workers would only ask it more often.`,
    numbers: { ...(latencyP95 === undefined ? {} : { dependencyP95: rounded(latencyP95) }), ...(cap === undefined ? {} : { cap }) },
    watch: ['circuit_breaker_state', 'dependency_call_duration_seconds'],
  };
}

/** 2: the connections of all services must fit into Postgres, at the most pods and while a rollout replaces them (R057). */
function connectionBudget({ service, shared, budget }: Situation): Finding | undefined {
  if (budget === undefined) return undefined;
  const { workers, poolSize, surge } = service;
  const pods = Math.max(service.pods, service.podsMax);
  const own = connectionsOf({ pods, surge, workers, poolSize });
  const total = own + shared.otherConnections;
  if (total <= budget) return undefined;
  const steady = total - connectionsOf({ pods: surge, surge: 0, workers, poolSize });
  const cap = poolCap({ pods, surge, workers }, budget, shared.otherConnections);
  const needed = maxConnectionsFor(total, shared.reserved);
  const numbers = {
    connections: total,
    connectionsSteady: steady,
    budget,
    poolCap: cap,
    poolCapWithoutSurge: poolCap({ pods, surge: 0, workers }, budget, shared.otherConnections),
    maxConnectionsNeeded: needed,
    maxConnectionsNeededSteady: maxConnectionsFor(steady, shared.reserved),
  };
  const sum = `(${pods} + ${surge}) pods x ${workers} workers x ${poolSize} connections${shared.otherConnections > 0 ? ` and ${shared.otherConnections} of other services` : ''} are ${total}, and ${budget} may be used`;
  const watch = ['connection_budget_ratio', 'db_pool_wait_seconds'];
  if (cap < SMALLEST_POOL) {
    return {
      rule: 2,
      action: 'none',
      reason: `${sum}. No pool is small enough: put PgBouncer in between, or raise max_connections to ${needed}.`,
      numbers,
      watch,
    };
  }
  return {
    rule: 2,
    action: 'pool',
    to: { poolSize: Math.min(poolSize, cap) },
    reason: `${sum}. A pool of ${cap} fits; or raise max_connections to ${needed}.`,
    numbers,
    watch,
  };
}

/** 3: memory is full. */
function memoryFull(situation: Situation): Finding | undefined {
  const { service, now } = situation;
  const { pods, sockets, memoryLimit, memoryEmpty, memoryGrowth, loadGrowth } = service;
  if (!situation.isSustained(({ memory }) => memory >= FULL)) return undefined;
  const watch = ['process_resident_memory_bytes', 'nodejs_heap_size_used_bytes'];
  if (memoryGrowth >= GREW && loadGrowth < DID_NOT_GROW) {
    return {
      rule: 3,
      action: 'none',
      reason: `Memory is at ${percent(now.memory)} and grew by ${percent(memoryGrowth - 1)} in ten minutes while the load did not: that is a leak. Take a heap snapshot; more pods would leak as well.`,
      numbers: { memory: now.memory, memoryGrowth: rounded(memoryGrowth), loadGrowth: rounded(loadGrowth) },
      watch,
    };
  }
  if (sockets !== undefined && sockets > 0) {
    const perSocket = (memoryLimit * now.memory - memoryEmpty) / sockets;
    const perPod = floor((memoryLimit * MEMORY_GOAL - memoryEmpty) / perSocket);
    if (perSocket <= 0 || perPod < 1) return tooLittleMemory(situation);
    const all = sockets * pods;
    return {
      rule: 3,
      action: 'pods',
      to: { pods: Math.max(pods + 1, ceiling(all / perPod)) },
      rebalance: true,
      reason: `Memory is at ${percent(now.memory)}: ${rounded(perSocket / 1_000)} kB for each of ${all} sockets. At ${percent(MEMORY_GOAL)} a pod carries ${perPod}.`,
      numbers: { memory: now.memory, bytesPerSocket: Math.round(perSocket), socketsPerPod: perPod, sockets: all },
      watch: [...watch, 'ws_connections'],
    };
  }
  return {
    rule: 3,
    action: 'pods',
    to: { pods: ceiling((pods * now.memory) / MEMORY_GOAL) },
    reason: `Memory is at ${percent(now.memory)} and grows with the load. So many pods are at ${percent(MEMORY_GOAL)}.`,
    numbers: { memory: now.memory },
    watch,
  };
}

/** Without any socket a process takes most of its limit already: pods of that size would be as full. */
const tooLittleMemory = ({ service: { memoryLimit, memoryEmpty }, now }: Situation): Finding => ({
  rule: 3,
  action: 'none',
  reason: `Memory is at ${percent(now.memory)}, and ${Math.round(memoryEmpty / 1e6)} of its ${Math.round(memoryLimit / 1e6)} MB are what a process takes without any socket: give it a limit of ${Math.ceil((2 * memoryEmpty) / 1e6)} MB or more. More pods of this size would be as full.`,
  numbers: { memory: now.memory, memoryLimit, memoryEmpty },
  watch: ['process_resident_memory_bytes', 'ws_connections'],
});

/** 4: the CPU is full: workers of one pod would take it from each other (R038, R047). */
function cpuFull(situation: Situation): Finding | undefined {
  const { service, now } = situation;
  const { pods, workers, cores, coresPerWorker } = service;
  if (!situation.isSustained(({ cpu }) => cpu >= FULL)) return undefined;
  const watch = ['process_cpu_seconds_total', 'process_cpu_throttled_seconds_total'];
  if (workers > cores && situation.isSustained(({ throttled }) => throttled > 0)) {
    return {
      rule: 4,
      action: 'workers',
      to: { workers: Math.max(1, floor(cores / coresPerWorker)) },
      reason: `${workers} workers share ${cores} cores and are held back by the CPU limit for ${percent(now.throttled)} of the time: fewer get more done.`,
      numbers: { cpu: now.cpu, throttled: now.throttled },
      watch,
    };
  }
  return {
    rule: 4,
    action: 'pods',
    to: { pods: ceiling((pods * now.cpu) / CPU_GOAL) },
    rebalance: service.sockets !== undefined,
    reason: `The CPU is at ${percent(now.cpu)}. So many pods are at ${percent(CPU_GOAL)}; more workers would only take it from each other.`,
    numbers: { cpu: now.cpu },
    watch,
  };
}

/** 5: requests wait for connections while the CPU is idle (R054). */
function poolWaits(situation: Situation): Finding | undefined {
  const { service, shared, budget, now } = situation;
  const { pods, workers, surge, poolSize } = service;
  const waits = situation.isSustained(({ poolWaitP95, poolTimeouts }) => poolWaitP95 > LONG_POOL_WAIT || poolTimeouts > 0);
  if (!waits || now.cpu >= IDLE_CPU) return undefined;
  const need = poolNeed(now.connectionsInUse, pods, workers);
  const cap =
    budget === undefined ? 0 : poolCap({ pods: Math.max(pods, service.podsMax), surge, workers }, budget, shared.otherConnections);
  const isDatabaseFull = (shared.postgresCpu ?? 0) >= DATABASE_FULL;
  const numbers = { poolWaitP95: now.poolWaitP95, poolNeed: need, poolCap: cap, connectionsInUse: rounded(now.connectionsInUse) };
  const wait = `Calls wait ${time(now.poolWaitP95)} (P95) for a connection`;
  const watch = ['db_pool_wait_seconds', 'db_conn_usage'];
  if (!isDatabaseFull && need > poolSize && need <= cap) {
    return {
      rule: 5,
      action: 'pool',
      to: { poolSize: need },
      reason: `${wait} while the CPU is at ${percent(now.cpu)}. By Little's law each worker needs ${need}.`,
      numbers,
      checks: shared.postgresCpu === undefined ? ['The CPU of Postgres is below 80 %: Parley cannot see it.'] : [],
      watch,
    };
  }
  const why = isDatabaseFull
    ? 'Postgres has no CPU left'
    : need <= poolSize
      ? `${poolSize} connections are enough for what is in use, so a few hold them for long`
      : `${need} would be needed and only ${cap} fit into max_connections`;
  return {
    rule: 5,
    action: 'none',
    reason: `${wait}, and ${why}: shorten how long statements and transactions take, look for a missing index. More workers would wait as well.`,
    numbers,
    watch: [...watch, 'db_slow_queries_total'],
  };
}

/** 6: the event loops. */
function eventLoops(situation: Situation): Finding | undefined {
  const { service, now } = situation;
  const { pods, workers, peakToMean, startSeconds, sockets } = service;
  if (situation.isSustained(({ eventLoopLag, eventLoops: { max } }) => eventLoopLag > LONG_LAG && max < IDLE_LOOP)) {
    return {
      rule: 6,
      action: 'none',
      reason: `The event loop stands still for ${time(now.eventLoopLag)} (P99) and is busy for only ${percent(now.eventLoops.max)}: one call blocks it. Move that call into worker_threads; more workers would be blocked as well.`,
      numbers: { eventLoopLag: now.eventLoopLag, eventLoop: now.eventLoops.max },
      watch: ['nodejs_eventloop_lag_p99_seconds', 'nodejs_eventloop_utilization'],
    };
  }
  const isSlow = situation.isSustained(({ latencyP95 = 0 }) => latencyP95 > service.objective);
  if (!situation.isSustained(({ eventLoops: { max } }) => max >= (isSlow ? IDLE_LOOP : BUSY_LOOP))) return undefined;
  const { sum, max, min } = now.eventLoops;
  const numbers = { eventLoops: rounded(sum), busiest: rounded(max), workersMax: workersMax(service) };
  const busy = `The event loops are busy for ${percent(sum)} of one core in all`;
  const watch = ['nodejs_eventloop_utilization', 'http_request_duration_seconds'];
  if (pods * workers > 1 && max > UNEVEN * min) {
    return {
      rule: 6,
      action: 'none',
      rebalance: true,
      reason: `One event loop is busy for ${percent(max)} and another for ${percent(min)}: spread the connections before adding anything.`,
      numbers: { ...numbers, idlest: rounded(min) },
      watch,
    };
  }
  const most = workersMax(service);
  const wanted = ceiling(sum / LOOP_GOAL / pods);
  const comesAndGoes = peakToMean >= BURSTY && startSeconds < SLOW_START_SECONDS && sockets === undefined;
  if (workers < most && now.memory < MEMORY_FOR_WORKERS && !comesAndGoes) {
    return {
      rule: 6,
      action: 'workers',
      to: { workers: Math.min(most, Math.max(workers + 1, wanted)) },
      reason: `${busy}, the CPU is at ${percent(now.cpu)} and memory at ${percent(now.memory)}: there are cores left for more workers in the same pod${wanted > most ? `, at most ${most}` : ''}.`,
      numbers,
      watch,
    };
  }
  const why = comesAndGoes
    ? `traffic peaks at ${rounded(peakToMean)} times its mean`
    : workers >= most
      ? `a pod takes no more than ${most} ${most === 1 ? 'worker' : 'workers'}`
      : `memory is at ${percent(now.memory)}`;
  return {
    rule: 6,
    action: 'pods',
    to: { pods: Math.max(pods + 1, ceiling(sum / LOOP_GOAL / workers)) },
    rebalance: sockets !== undefined,
    reason: `${busy}, and ${why}.`,
    numbers: { ...numbers, peakToMean: rounded(peakToMean) },
    watch,
  };
}

/** 7: a queue grows, or drains too slowly. */
function backlog(situation: Situation): Finding | undefined {
  const { queue } = situation.service;
  if (queue === undefined || queue.knownForSeconds < DEPTH_KNOWN_SECONDS) return undefined;
  const net = queue.handled - queue.arrivals;
  const drain = net > 0 ? queue.ready / net : Number.POSITIVE_INFINITY;
  const grows = net <= 0 && queue.ready > BACKLOG;
  const isSlow = drain > queue.drainSeconds && queue.ready > SMALL_BACKLOG;
  if (queue.ready / queue.capacity < FULL && !grows && !isSlow) return undefined;
  return limited(queue) ?? moreHandlers(situation, queue);
}

function limited({ name, ready, arrivals, drainSeconds, limit }: QueueView): Finding | undefined {
  if (limit === undefined) return undefined;
  const { perMinute, callsPerMessage, callSeconds } = limit;
  const needed = ceiling((arrivals + ready / drainSeconds) * callsPerMessage * 60);
  if (needed <= perMinute) return undefined;
  const minutes = Math.round((ready * callsPerMessage) / perMinute);
  const inFlight = ceiling((needed / 60) * callSeconds);
  return {
    rule: 7,
    action: 'none',
    reason: `${ready} messages wait in ${name}, and ${limit.name} allows ${perMinute} calls per minute: they take ${minutes} minutes with any number of workers. ${needed} per minute are needed, which are ${inFlight} calls at once.`,
    numbers: { ready, minutes, perMinute, neededPerMinute: needed, callsAtOnce: inFlight },
    checks: [`Ask ${limit.name} for a higher quota, or give the work more time.`],
    watch: ['llm_requests_per_minute', 'queue_length'],
  };
}

function moreHandlers({ service, now }: Situation, queue: QueueView): Finding {
  const { pods, workers } = service;
  const { name, ready, arrivals, handled, serviceSeconds, concurrency, concurrencyLimit } = queue;
  const need = queueNeed(queue, pods * workers);
  const numbers = {
    ready,
    arrivals: rounded(arrivals),
    handled: rounded(handled),
    neededPerSecond: rounded(need.rate),
    workersNeeded: need.workers,
  };
  const waiting = `${ready} messages wait in ${name}: ${rounded(arrivals)} come and ${rounded(handled)} go per second`;
  const watch = ['queue_length', 'event_handle_duration_seconds', 'queue_oldest_age_seconds'];
  const waitsRatherThanComputes = now.cpu < IDLE_CPU && now.eventLoops.max < BUSY_LOOP;
  if (waitsRatherThanComputes && concurrency < concurrencyLimit) {
    const to = Math.min(concurrencyLimit, Math.max(concurrency + 1, need.concurrency));
    const after = (pods * workers * to) / serviceSeconds;
    return {
      rule: 7,
      action: 'prefetch',
      to: { concurrency: to },
      reason: `${waiting}. Its workers wait rather than compute (CPU ${percent(now.cpu)}): ${to} batches at once in each handle ${rounded(after)} per second.`,
      numbers: {
        ...numbers,
        handledAfter: rounded(after),
        ...(after > arrivals ? { drainSecondsAfter: Math.round(ready / (after - arrivals)) } : {}),
      },
      checks: [`When the P95 of what they wait for rises by a quarter, take it back and run ${need.workers} workers.`],
      watch,
    };
  }
  if (need.workers <= pods * workers) {
    return {
      rule: 7,
      action: 'none',
      reason: `${waiting}. ${need.workers} workers are enough for that and there are ${pods * workers}: look why they do not take it (paused, poison messages, a slow dependency).`,
      numbers,
      watch: [...watch, 'consumer_paused', 'event_attempts_total'],
    };
  }
  const each = ceiling(need.workers / pods);
  if (each <= workersMax(service) && now.memory < MEMORY_FOR_WORKERS && now.cpu < IDLE_CPU) {
    return {
      rule: 7,
      action: 'workers',
      to: { workers: each },
      reason: `${waiting}. ${need.workers} workers are needed; they fit into the pods there are.`,
      numbers,
      watch,
    };
  }
  return {
    rule: 7,
    action: 'pods',
    to: { pods: ceiling(need.workers / workers) },
    reason: `${waiting}. ${need.workers} workers are needed, more than the pods there are take.`,
    numbers,
    watch,
  };
}

/** 8: callers wait, and not for this service. */
function slowDependency(situation: Situation): Finding | undefined {
  const { service, now } = situation;
  const isSlow = situation.isSustained(({ latencyP95 = 0 }) => latencyP95 > service.objective);
  if (!isSlow || now.cpu >= IDLE_CPU || now.eventLoops.max >= IDLE_LOOP) return undefined;
  const [slowest] = service.dependencies.toSorted((a, b) => (b.latencyP95 ?? 0) - (a.latencyP95 ?? 0));
  const latency = now.latencyP95 ?? 0;
  return {
    rule: 8,
    action: 'none',
    reason: `Answers take ${time(latency)} (P95) while CPU (${percent(now.cpu)}) and event loop (${percent(now.eventLoops.max)}) are idle: slow dependency ${slowest?.name ?? 'unknown'}${slowest?.latencyP95 === undefined ? '' : `, P95 ${time(slowest.latencyP95)}`}. Neither workers nor pods make it faster.`,
    numbers: { latencyP95: rounded(latency), ...(slowest?.latencyP95 === undefined ? {} : { dependencyP95: rounded(slowest.latencyP95) }) },
    checks: ['npm run parley -- trace <requestId> shows where one request waited.'],
    watch: ['dependency_call_duration_seconds', 'http_request_duration_seconds'],
  };
}

/** 9: one pod that dies must not be the last (R053). */
function highAvailability({ service: { pods, podsLeast, workers, surge, poolSize } }: Situation): Finding | undefined {
  if (pods >= podsLeast) return undefined;
  return {
    rule: 9,
    action: 'pods',
    to: { pods: podsLeast },
    reason: `${pods === 1 ? 'A single pod is' : `${pods} pods are`} not enough to survive the loss of one: at least ${podsLeast}.`,
    numbers: {
      workersLeast: ceiling((pods * workers) / podsLeast),
      workersMost: workers,
      connections: connectionsOf({ pods: podsLeast, surge, workers, poolSize }),
    },
    watch: ['build_info'],
  };
}

/** 10: it has been quiet for long. */
function tooMany(situation: Situation): Finding | undefined {
  const { service, now } = situation;
  const { pods, podsLeast, quietSeconds, changedSeconds, queue, sockets } = service;
  const isQuiet = situation.isSustained(({ cpu, eventLoops: { max } }) => cpu < QUIET && max < QUIET);
  if (!isQuiet || quietSeconds < QUIET_SECONDS || (queue?.ready ?? 0) > SMALL_BACKLOG) return undefined;
  if (changedSeconds !== undefined && changedSeconds < AFTER_DOWN_SECONDS) return undefined;
  const goal = Math.max(podsLeast, ceiling(pods * Math.max(now.cpu / CPU_GOAL, now.eventLoops.max / LOOP_GOAL)));
  if (goal >= pods) return undefined;
  return {
    rule: 10,
    action: 'pods',
    to: { pods: Math.max(goal, ceiling(pods / 2)) },
    rebalance: sockets !== undefined,
    reason: `CPU ${percent(now.cpu)} and event loops ${percent(now.eventLoops.max)} for ${Math.round(quietSeconds / 60)} minutes: ${goal} pods suffice, at most half of them at a time, five minutes apart.`,
    numbers: { podsGoal: goal, quietSeconds: Math.round(quietSeconds) },
    checks:
      sockets === undefined ? [] : [`Drain first: each pod that goes tells its sockets to reconnect, ${SOCKETS_PER_SECOND} per second.`],
    watch: ['process_cpu_seconds_total', 'nodejs_eventloop_utilization'],
  };
}

/** The procedure in its order: the first step that applies decides. */
export const steps: readonly Step[] = [
  cooldown,
  brokenDependency,
  connectionBudget,
  memoryFull,
  cpuFull,
  poolWaits,
  eventLoops,
  backlog,
  slowDependency,
  highAvailability,
  tooMany,
];
