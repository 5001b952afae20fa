import { describe, expect, it } from 'vitest';
import { advise, atLoad, refuse } from './advise.js';
import { workersMax } from './derived.js';
import { fitScalability, peakOf, throughputOf } from './scalability-law.js';
import type { LoadWindow, QueueView, ServiceSnapshot, SharedLimits } from './snapshot.js';

const GB = 1e9;
const idle: LoadWindow = {
  cpu: 0.4,
  throttled: 0,
  eventLoops: { sum: 0.4, max: 0.4, min: 0.4 },
  eventLoopLag: 0.01,
  memory: 0.3,
  arrivals: 10,
  latencyP95: 0.1,
  poolWaitP95: 0,
  poolTimeouts: 0,
  connectionsInUse: 1,
};
/** Two windows alike. */
const seen = (window: Partial<LoadWindow> = {}): readonly [LoadWindow, LoadWindow] => [
  { ...idle, ...window },
  { ...idle, ...window },
];
const loops = (max: number, sum = max, min = max) => ({ eventLoops: { sum, max, min } });
/** A service that nothing asks to be scaled: two pods, one worker each, on 4 cores and 4 GB. */
const service = (differs: Partial<ServiceSnapshot> = {}): ServiceSnapshot => ({
  service: 'gateway',
  pods: 2,
  podsMax: 0,
  surge: 1,
  workers: 1,
  workersLimit: 64,
  cores: 4,
  coresPerWorker: 1,
  memoryLimit: 4 * GB,
  memoryPerWorker: 0.5 * GB,
  memoryEmpty: 0.2 * GB,
  isLimited: { cpu: true, memory: true },
  memoryGrowth: 1,
  loadGrowth: 1,
  peakToMean: 1,
  poolSize: 10,
  objective: 1,
  podsLeast: 2,
  startSeconds: 3,
  windows: seen(),
  dependencies: [],
  quietSeconds: 0,
  loadPoints: [],
  ...differs,
});
const shared = (differs: Partial<SharedLimits> = {}): SharedLimits => ({
  maxConnections: 100,
  reserved: 10,
  postgresCpu: 0.3,
  otherConnections: 0,
  ...differs,
});
const roomy = shared({ maxConnections: 1_000 });
const queue = (differs: Partial<QueueView> = {}): QueueView => ({
  name: 'scoring.messages',
  ready: 0,
  capacity: 100_000,
  arrivals: 10,
  handled: 10,
  serviceSeconds: 0.1,
  concurrency: 2,
  concurrencyLimit: 8,
  drainSeconds: 300,
  knownForSeconds: 600,
  ...differs,
});

describe('The twelve worked examples', () => {
  const e1 = service({
    pods: 1,
    podsLeast: 1,
    surge: 0,
    memoryLimit: 3 * GB,
    poolSize: 25,
    windows: seen({ ...loops(0.88), cpu: 0.22, eventLoopLag: 0.06, arrivals: 31, latencyP95: 1.6, connectionsInUse: 31 * 0.13 }),
    objective: 2,
  });

  it('E1: one event loop at 88 % and twice as many users make 4 workers, each with a pool of 4 to 18', () => {
    const advice = advise(atLoad(e1, 2), shared());
    expect(workersMax(e1)).toBe(4);
    expect(advice).toMatchObject({ action: 'workers', rule: 6, to: { pods: 1, workers: 4, poolSize: 18 } });
    expect(advice.numbers).toMatchObject({ eventLoops: 1.76, workersMax: 4, connections: 100, budget: 72, poolCap: 18, poolNeed: 4 });
  });

  it('E2: 3 pods of 4 workers with a pool of 25 do not fit into 100 connections', () => {
    const advice = advise(service({ pods: 3, workers: 4, poolSize: 25 }), shared());
    expect(advice).toMatchObject({ action: 'pool', rule: 2, to: { poolSize: 4 }, connections: { now: 400, after: 64, budget: 72 } });
    expect(advice.numbers).toMatchObject({
      connections: 400,
      connectionsSteady: 300,
      poolCap: 4,
      poolCapWithoutSurge: 6,
      maxConnectionsNeeded: 510,
      maxConnectionsNeededSteady: 385,
    });
  });

  it('E3: a CPU at 92 % that is not held back makes 4 pods of 2, with a pool of at most 3', () => {
    const advice = advise(service({ workers: 4, cores: 2, poolSize: 6, windows: seen({ cpu: 0.92 }) }), shared());
    expect(advice).toMatchObject({ action: 'pods', rule: 4, to: { pods: 4, workers: 4, poolSize: 3 } });
  });

  it('E4: a queue that does not drain gets 4 batches at once and is empty after 100 s', () => {
    const waiting = queue({ ready: 1_200, arrivals: 12, handled: 12, serviceSeconds: 0.5, concurrency: 2, concurrencyLimit: 4 });
    const advice = advise(service({ pods: 3, queue: waiting }), roomy);
    expect(advice).toMatchObject({ action: 'prefetch', rule: 7, to: { concurrency: 4 } });
    expect(advice.numbers).toMatchObject({ handledAfter: 24, drainSecondsAfter: 100, workersNeeded: 5, neededPerSecond: 16 });
    expect(advice.checks.join()).toContain('5 workers');
  });

  it('E5: 10,000 ends of two LLM calls at 30 a minute take 667 minutes with any number of workers', () => {
    const limit = { name: 'llm', perMinute: 30, callsPerMessage: 2, callSeconds: 2 };
    const nightly = queue({ ready: 10_000, arrivals: 0, handled: 0.25, drainSeconds: 3 * 3_600, limit });
    const advice = advise(service({ queue: nightly }), roomy);
    expect(advice).toMatchObject({ action: 'none', rule: 7 });
    expect(advice.numbers).toMatchObject({ minutes: 667, neededPerMinute: 112, callsAtOnce: 4 });
  });

  it('E6: calls that wait 800 ms for one of 5 connections get 7', () => {
    const windows = seen({ cpu: 0.35, poolWaitP95: 0.8, arrivals: 300, connectionsInUse: 300 * 0.12 });
    const advice = advise(service({ workers: 4, poolSize: 5, windows }), shared({ maxConnections: 200 }));
    expect(advice).toMatchObject({ action: 'pool', rule: 5, to: { poolSize: 7 }, connections: { after: 84, budget: 152 } });
  });

  it('E7: answers of 4 s with an idle CPU are those of a slow LLM that is still under its cap', () => {
    const dependencies = [
      { name: 'postgres', isBroken: false, latencyP95: 0.02, cap: 3 },
      { name: 'llm', isBroken: false, latencyP95: 3.8, cap: 15 },
    ] as const;
    const advice = advise(service({ windows: seen({ latencyP95: 4, cpu: 0.15, ...loops(0.2) }), dependencies }), roomy);
    expect(advice).toMatchObject({ action: 'none', rule: 8 });
    expect(advice.reason).toContain('slow dependency llm');
  });

  it('E8: two pods of 20,000 sockets at 82 % of their memory become three, and sockets are spread anew', () => {
    const realtime = service({
      service: 'realtime',
      workersLimit: 1,
      sockets: 20_000,
      memoryLimit: 1.5 * GB,
      windows: seen({ memory: 0.82 }),
    });
    const advice = advise(realtime, roomy);
    expect(advice).toMatchObject({ action: 'pods', rule: 3, to: { pods: 3 }, rebalance: true });
    expect(advice.numbers).toMatchObject({ bytesPerSocket: 51_500, sockets: 40_000 });
    expect(advice.numbers['socketsPerPod']).toBeCloseTo(15_000, -2);
  });

  it('E9: a single pod becomes two whatever it does, of 1 to 2 workers', () => {
    const advice = advise(service({ pods: 1, workers: 2, windows: seen({ cpu: 0.02, ...loops(0.02) }) }), shared());
    expect(advice).toMatchObject({ action: 'pods', rule: 9, to: { pods: 2, poolSize: 10 }, connections: { after: 60, budget: 72 } });
    expect(advice.numbers).toMatchObject({ workersLeast: 1, workersMost: 2 });
  });

  it('E10: six pods at night become three, then two', () => {
    const night = (pods: number, cpu: number, loop: number) =>
      advise(service({ pods, workers: 4, quietSeconds: 600, windows: seen({ cpu, ...loops(loop) }) }), roomy);
    const first = night(6, 0.12, 0.1);
    expect(first).toMatchObject({ action: 'pods', rule: 10, to: { pods: 3 } });
    expect(first.numbers['podsGoal']).toBe(2);
    expect(night(3, 0.24, 0.2)).toMatchObject({ action: 'pods', rule: 10, to: { pods: 2 } });
  });

  it('E11: measured throughput says where more workers are slower', () => {
    const law = fitScalability([
      { workers: 1, perSecond: 50 },
      { workers: 2, perSecond: 92 },
      { workers: 4, perSecond: 150 },
    ]);
    if (law === undefined) throw new Error('no law was found');
    expect(law.coherence).toBeCloseTo(0.0121, 4);
    expect(law.contention).toBeCloseTo(0.0628, 4);
    expect(peakOf(law)).toBeCloseTo(8.8, 1);
    expect(throughputOf(law, 8)).toBeCloseTo(189, 0);
    expect(throughputOf(law, 8) / throughputOf(law, 4) - 1).toBeCloseTo(0.26, 2);
    expect(throughputOf(law, 50)).toBeCloseTo(74, 0);
    expect(throughputOf(law, 50)).toBeLessThan(150);
  });

  it('E12: an event loop that stands still for 450 ms and is idle otherwise has a call for worker_threads', () => {
    const advice = advise(service({ windows: seen({ eventLoopLag: 0.45, ...loops(0.35), cpu: 0.3 }) }), roomy);
    expect(advice).toMatchObject({ action: 'none', rule: 6 });
    expect(advice.reason).toContain('worker_threads');
  });
});

describe('The eight rows of R041', () => {
  it('a simple web API whose CPU is full gets pods', () => {
    expect(advise(service({ windows: seen({ cpu: 0.85 }) }), roomy).action).toBe('pods');
  });

  it('a worker of the database that waits gets workers once it handles as many batches at once as it may', () => {
    const waiting = queue({ ready: 5_000, arrivals: 40, handled: 40, concurrencyLimit: 2 });
    expect(advise(service({ queue: waiting, windows: seen({ cpu: 0.25, ...loops(0.3) }) }), roomy)).toMatchObject({ action: 'workers' });
  });

  it('video processing, which computes, gets pods and not workers', () => {
    const advice = advise(service({ workers: 4, windows: seen({ cpu: 1, ...loops(1, 8) }) }), roomy);
    expect(advice).toMatchObject({ action: 'pods', to: { workers: 4 } });
  });

  it('calls of external APIs keep the event loop busy and not the CPU: workers', () => {
    expect(advise(service({ windows: seen({ cpu: 0.25, ...loops(0.8, 1.6) }) }), roomy)).toMatchObject({
      action: 'workers',
      to: { workers: 2 },
    });
  });

  it('high availability needs a second pod', () => {
    expect(advise(service({ pods: 1 }), roomy)).toMatchObject({ action: 'pods', rule: 9 });
  });

  it('a start of more than 30 s comes too late for a peak: workers', () => {
    const windows = seen({ cpu: 0.25, ...loops(0.8, 1.6) });
    expect(advise(service({ startSeconds: 45, peakToMean: 4, windows }), roomy).action).toBe('workers');
  });

  it('processes that share a cache stay in one pod while it has room: workers', () => {
    const windows = seen({ cpu: 0.4, memory: 0.5, ...loops(0.75, 1.5) });
    expect(advise(service({ windows }), roomy)).toMatchObject({ action: 'workers', etaSeconds: 3 });
  });

  it('uneven traffic gets pods, which come and go', () => {
    const windows = seen({ cpu: 0.25, ...loops(0.8, 1.6) });
    expect(advise(service({ peakToMean: 4, windows }), roomy)).toMatchObject({ action: 'pods', to: { pods: 4 } });
  });
});

describe('The triggers of R045 to R055', () => {
  it('R045: ten pods of one worker are told that three of four carry the same', () => {
    expect(advise(service({ pods: 10 }), roomy).checks.join()).toContain('3 pods of 4 carry the same');
  });

  it('R045: fifty workers in a pod are told that 4 to 8 are enough', () => {
    expect(advise(service({ workers: 50, poolSize: 2 }), roomy).checks.join()).toContain('50 workers in a pod');
  });

  it('R045: a pod without limits is told where to begin', () => {
    const checks = advise(service({ isLimited: { cpu: false, memory: false } }), roomy).checks.join();
    expect(checks).toContain('2 cores');
    expect(checks).toContain('4 GB');
  });

  it('R046 and R054: CPU below 50 % and answers above 1 s make workers when the event loop is busy', () => {
    const windows = seen({ cpu: 0.3, latencyP95: 1.2, ...loops(0.65, 1.3) });
    expect(advise(service({ windows }), roomy)).toMatchObject({ action: 'workers', rule: 6 });
  });

  it('R046: the same with an idle event loop makes none, because it is not this service that is slow', () => {
    const windows = seen({ cpu: 0.3, latencyP95: 1.2, ...loops(0.3) });
    expect(advise(service({ windows }), roomy)).toMatchObject({ action: 'none', rule: 8 });
  });

  it('R046 and R054: a queue that grows while its workers wait makes more batches at once', () => {
    const windows = seen({ cpu: 0.2, ...loops(0.2) });
    expect(advise(service({ windows, queue: queue({ ready: 1_500, arrivals: 30, handled: 20 }) }), roomy).action).toBe('prefetch');
  });

  it.each([
    ['R047 and R055: CPU above 80 %', service({ windows: seen({ cpu: 0.81 }) })],
    ['R047 and R055: memory above 80 %', service({ windows: seen({ memory: 0.81 }), memoryGrowth: 1.5, loadGrowth: 1.5 })],
    [
      'R047, R053 and R055: 8 workers that are all busy',
      service({ cores: 16, memoryLimit: 16 * GB, workers: 8, poolSize: 2, windows: seen({ ...loops(0.8, 12) }) }),
    ],
    [
      'R047 and R055: answers above 2 s all the time and the event loops of all workers busy',
      service({ workers: 4, poolSize: 4, windows: seen({ latencyP95: 2.5, ...loops(0.9, 7) }) }),
    ],
    ['R053: high availability', service({ pods: 1 })],
  ])('%s makes pods', (_, snapshot) => {
    expect(advise(snapshot, roomy).action).toBe('pods');
  });

  it('R048: a transformation of 100 to 500 ms on the event loop belongs into a thread', () => {
    expect(advise(service({ windows: seen({ eventLoopLag: 0.3, ...loops(0.4) }) }), roomy).reason).toContain('worker_threads');
  });

  it('R049 and R050: slow statements with an idle CPU make neither workers nor pods', () => {
    const windows = seen({ cpu: 0.2, poolWaitP95: 0.5, connectionsInUse: 2 });
    expect(advise(service({ windows }), roomy)).toMatchObject({ action: 'none', rule: 5 });
  });

  it('R051: sockets do not move by themselves: pods that are added for them get them by spreading anew', () => {
    expect(advise(service({ sockets: 5_000, workersLimit: 1, windows: seen({ cpu: 0.9 }) }), roomy)).toMatchObject({
      action: 'pods',
      rebalance: true,
    });
  });

  it('R052: a worker is there after seconds, a pod after half a minute and more', () => {
    const workers = advise(service({ windows: seen({ ...loops(0.8, 1.6) }) }), roomy).etaSeconds ?? 0;
    const pods = advise(service({ windows: seen({ cpu: 0.9 }) }), roomy).etaSeconds ?? 0;
    expect(workers).toBeLessThanOrEqual(10);
    expect(pods).toBeGreaterThanOrEqual(30);
    expect(pods).toBeLessThanOrEqual(60);
  });

  it('R053: the ladder goes from workers to 8 of them, then to pods', () => {
    const at = (workers: number) => {
      const windows = seen({ ...loops(0.9, 0.9 * workers * 2), cpu: 0.6 });
      return advise(service({ workers, poolSize: 2, cores: 16, memoryLimit: 16 * GB, windows }), roomy);
    };
    expect(at(1)).toMatchObject({ action: 'workers', to: { workers: 2 } });
    expect(at(4)).toMatchObject({ action: 'workers', to: { workers: 8 } });
    expect(at(8)).toMatchObject({ action: 'pods' });
  });

  it('R054: 100 requests at once for 60 connections wait for the pool, not for workers', () => {
    const windows = seen({ cpu: 0.3, poolWaitP95: 0.2, connectionsInUse: 60 });
    expect(advise(service({ pods: 1, podsLeast: 1, workers: 4, poolSize: 15, windows }), roomy)).toMatchObject({
      action: 'pool',
      to: { poolSize: 23 },
    });
  });

  it('R054: memory above 70 % makes pods instead of workers', () => {
    const windows = seen({ ...loops(0.8, 1.6), memory: 0.75 });
    expect(advise(service({ windows }), roomy).action).toBe('pods');
  });
});

describe('The procedure', () => {
  it('waits for 60 s after a change', () => {
    expect(advise(service({ changedSeconds: 20, windows: seen({ cpu: 0.95 }) }), roomy)).toMatchObject({ action: 'none', rule: 0 });
    expect(advise(service({ changedSeconds: 61, windows: seen({ cpu: 0.95 }) }), roomy).action).toBe('pods');
  });

  it('waits for 5 minutes after a change before it takes anything away', () => {
    const night = { pods: 6, quietSeconds: 900, windows: seen({ cpu: 0.1, ...loops(0.1) }) };
    expect(advise(service({ ...night, changedSeconds: 200 }), roomy).action).toBe('none');
  });

  it('does not scale what waits for a broken dependency, except from one pod to two', () => {
    const dependencies = [{ name: 'chroma', isBroken: true }] as const;
    const busy = seen({ cpu: 0.95 });
    expect(advise(service({ dependencies, windows: busy }), roomy)).toMatchObject({ action: 'none', rule: 1 });
    expect(advise(service({ dependencies, windows: busy }), roomy).reason).toContain('chroma');
    expect(advise(service({ pods: 1, dependencies, windows: busy }), roomy)).toMatchObject({ action: 'pods', rule: 9 });
  });

  it('takes a dependency beyond its cap for broken', () => {
    const dependencies = [{ name: 'llm', isBroken: false, latencyP95: 16, cap: 15 }] as const;
    expect(advise(service({ dependencies }), roomy)).toMatchObject({ action: 'none', rule: 1 });
  });

  it('needs two windows in a row', () => {
    const [newest] = seen({ cpu: 0.95, memory: 0.95, poolWaitP95: 1, ...loops(0.95, 1.9) });
    expect(advise(service({ windows: [newest, idle] }), roomy)).toMatchObject({ action: 'none', rule: 11 });
  });

  it('says that pods do not cure a leak', () => {
    const advice = advise(service({ windows: seen({ memory: 0.85 }), memoryGrowth: 1.3, loadGrowth: 1 }), roomy);
    expect(advice).toMatchObject({ action: 'none', rule: 3 });
    expect(advice.reason).toContain('leak');
  });

  it.each([
    ['takes more of its limit than pods should', 0.9 * GB, 0.82],
    ['is thought to take more than it does', 0.9 * GB, 0.8],
  ])('adds no pods for sockets where a process without any %s', (_, memoryEmpty, memory) => {
    const full = service({ workersLimit: 1, sockets: 10, memoryLimit: 1.1 * GB, memoryEmpty, windows: seen({ memory }) });
    const advice = advise(full, roomy);
    expect(advice).toMatchObject({ action: 'none', rule: 3, to: { pods: 2 } });
    expect(advice.reason).toContain('a limit of 1800 MB or more');
  });

  it('takes workers away that the CPU limit holds back', () => {
    const windows = seen({ cpu: 0.95, throttled: 0.3 });
    expect(advise(service({ workers: 4, cores: 2, poolSize: 2, windows }), roomy)).toMatchObject({
      action: 'workers',
      rule: 4,
      to: { workers: 2 },
    });
  });

  it('spreads connections before it adds anything when one worker has them all', () => {
    const advice = advise(service({ windows: seen({ ...loops(0.9, 1.1, 0.2) }) }), roomy);
    expect(advice).toMatchObject({ action: 'none', rule: 6, rebalance: true });
  });

  it('says that a pool cannot grow beyond Postgres, and one whose Postgres is busy does not get larger', () => {
    const windows = seen({ cpu: 0.3, poolWaitP95: 0.2, connectionsInUse: 40 });
    expect(advise(service({ windows }), shared())).toMatchObject({ action: 'none', rule: 5 });
    expect(advise(service({ windows }), shared({ maxConnections: 1_000, postgresCpu: 0.9 })).action).toBe('none');
  });

  it('names PgBouncer and the max_connections that would do when no pool is small enough', () => {
    const advice = advise(service({ pods: 20, workers: 4 }), shared());
    expect(advice).toMatchObject({ action: 'none', rule: 2 });
    expect(advice.reason).toContain('PgBouncer');
    expect(advice.numbers['maxConnectionsNeeded']).toBe(1_060);
  });

  it('refuses pods for which Postgres has no connections', () => {
    const advice = advise(
      service({ pods: 8, poolSize: 6, windows: seen({ cpu: 1 }) }),
      shared({ maxConnections: 85, otherConnections: 0 }),
    );
    expect(advice).toMatchObject({ action: 'pods', to: { pods: 14, poolSize: 4 } });
    const none = advise(service({ pods: 8, poolSize: 2, windows: seen({ cpu: 1 }) }), shared({ maxConnections: 35 }));
    expect(none).toMatchObject({ action: 'none', rule: 2, to: { pods: 8 } });
  });

  it('counts the connections of the other services', () => {
    expect(advise(service({ poolSize: 20 }), shared({ otherConnections: 20 }))).toMatchObject({ action: 'pool', to: { poolSize: 17 } });
  });

  it('warns of a pool that no process accepts', () => {
    expect(advise(service({ pods: 3, workers: 4, poolSize: 25 }), shared()).checks.join()).toContain('DB_POOL_SIZE is at least 6');
  });

  it('does not add workers that measured throughput says gain less than 15 %', () => {
    const loadPoints = [
      { workers: 1, perSecond: 50 },
      { workers: 2, perSecond: 60 },
      { workers: 4, perSecond: 62 },
    ];
    const windows = seen({ ...loops(0.9, 1.8) });
    expect(advise(service({ loadPoints, windows }), roomy)).toMatchObject({ action: 'none', rule: 6 });
    expect(advise(service({ loadPoints, windows }), roomy).reason).toContain('contention');
  });

  it('does not believe the depth of a queue in the first 10 s of a broker', () => {
    const fresh = queue({ ready: 5_000, arrivals: 40, handled: 40, knownForSeconds: 5 });
    expect(advise(service({ queue: fresh }), roomy).rule).toBe(11);
  });

  it('asks why messages are not taken when there are workers enough', () => {
    const waiting = queue({ ready: 2_000, arrivals: 1, handled: 0, concurrencyLimit: 2 });
    expect(advise(service({ queue: waiting }), roomy)).toMatchObject({ action: 'none', rule: 7 });
  });

  it('adds pods for a queue when a pod takes no further worker', () => {
    const waiting = queue({ ready: 2_000, arrivals: 100, handled: 40, concurrencyLimit: 2 });
    expect(advise(service({ workersLimit: 1, queue: waiting }), roomy)).toMatchObject({ action: 'pods', rule: 7, to: { pods: 7 } });
  });

  it('finds nothing to do for a service that is well', () => {
    const advice = advise(service(), roomy);
    expect(advice).toMatchObject({ action: 'none', rule: 11, confidence: 'high', etaSeconds: null });
    expect(advice.to).toEqual(advice.now);
  });

  it('is of low confidence while max_connections is not known', () => {
    expect(advise(service({ windows: seen({ cpu: 0.9 }) }), shared({ maxConnections: undefined }))).toMatchObject({
      confidence: 'low',
      connections: null,
    });
  });

  it('refuses on missing data and says what is missing', () => {
    const advice = refuse({
      service: 'scoring',
      pods: 1,
      unknown: ['nodejs_eventloop_active_seconds_total', 'max_connections of Postgres'],
    });
    expect(advice).toMatchObject({ action: 'none', rule: 0 });
    expect(advice.reason).toContain('nodejs_eventloop_active_seconds_total, max_connections of Postgres');
  });
});

describe('The law of scalability', () => {
  it('is not fitted to fewer than three worker counts', () => {
    expect(
      fitScalability([
        { workers: 1, perSecond: 50 },
        { workers: 2, perSecond: 90 },
      ]),
    ).toBeUndefined();
    expect(fitScalability([1, 1, 1].map((workers) => ({ workers, perSecond: 50 })))).toBeUndefined();
  });

  it('is linear where measurements are', () => {
    const law = fitScalability([1, 2, 4, 8].map((workers) => ({ workers, perSecond: 100 * workers })));
    if (law === undefined) throw new Error('no law was found');
    expect(throughputOf(law, 16)).toBeCloseTo(1_600, 3);
  });
});
