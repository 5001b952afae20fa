import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from 'prom-client';
import { metrics, metricValues, renderMetrics } from './metrics.js';
import { answerSiblings, askSiblings, hasSiblings, type WorkerCounts } from '../workers/sibling-workers.js';

type Values = MetricObjectWithValues<MetricValue<string>>[];

/** What only the supervisor knows; each worker has stale numbers of it, so only those of the one who asked count. */
const SUPERVISORS = new Set(['worker_processes', 'worker_restarts_total']);

/** Lets the other workers ask for the metrics of this one. */
export const shareMetrics = (): void => answerSiblings('metrics', metricValues);

/** The counters and histograms of several workers as one: of one that has ended they still count. */
export const addUpCounters = (all: readonly unknown[]): Promise<Values> =>
  AggregatorRegistry.aggregate(all.map((each) => countersOf(each as Values))).getMetricsAsJSON();

const COUNTED: ReadonlySet<unknown> = new Set(['counter', 'histogram']);
const countersOf = (values: Values): Values => values.filter(({ type }) => COUNTED.has(type));

/**
 * The text of `GET /metrics` for everything behind its port: with several workers the sum over all of them (the maximum or average where a
 * sum would say nothing), whichever of them is asked. A worker that does not answer within a second is counted as silent, and so is what it
 * counted before: no counter falls because a worker ends or is busy.
 */
export const renderAllMetrics = async (): Promise<{ contentType: string; body: string }> => {
  // Reading begins a new span of the loop's delay and utilization, so nothing is read twice for one answer: the second would be empty.
  if (!hasSiblings()) return renderMetrics();
  const { workers, counts, past = [] } = await askSiblings<Values>('metrics');
  if (counts === null) return renderMetrics();
  show(counts, workers.filter(({ silent }) => silent).length);
  const answered = workers.flatMap((worker) => (worker.silent ? [] : [worker.answer]));
  const all = [...answered, ...past.map(countersOf)].map((values) => values.filter(({ name }) => !SUPERVISORS.has(name)));
  const own = await Promise.all([metrics.workerProcesses.get(), metrics.workerRestarts.get()]);
  const registry = AggregatorRegistry.aggregate([...all, own]);
  return { contentType: registry.contentType, body: await registry.metrics() };
};

const show = ({ wanted, running, restarts }: WorkerCounts, silent: number): void => {
  metrics.workerProcesses.set({ state: 'wanted' }, wanted);
  metrics.workerProcesses.set({ state: 'running' }, running);
  metrics.workerProcesses.set({ state: 'silent' }, silent);
  metrics.workerRestarts.reset();
  for (const [reason, count] of Object.entries({ crash: 0, hang: 0, left: 0, ...restarts })) metrics.workerRestarts.inc({ reason }, count);
};
