import { queueMetrics } from '../advice/collect-queue.js';
import { snapshotMetrics } from '../advice/collect-snapshot.js';
import { serviceProfiles } from '../advice/service-profiles.js';
import { metricsOf } from '../alerts/conditions.js';
import { rules } from '../alerts/rules.js';
import { START_METRIC } from '../alerts/find-alerts.js';
import { latencyMetrics } from '../measurements/latency-points.js';
import { processMetrics } from '../measurements/measure-processes.js';

/**
 * The samples that rules, advice and the admin stream ask for: a third of what processes show. A new rule or profile brings its own; what code asks
 * for besides stands in the list beside that code.
 */
export const keptMetrics: ReadonlySet<string> = new Set([
  START_METRIC,
  ...rules.flatMap(({ builtIn }) => (builtIn?.anyOf ?? []).flatMap(metricsOf)),
  ...serviceProfiles.flatMap(({ arrivals, latency, sockets }) => [
    arrivals.metric,
    ...(latency === undefined ? [] : [`${latency.metric}_bucket`]),
    ...(sockets === undefined ? [] : [sockets]),
  ]),
  ...snapshotMetrics,
  ...queueMetrics,
  ...latencyMetrics,
  ...processMetrics,
]);
