import 'reflect-metadata';
import { runWorkers } from '#lib/runtime/workers/run-workers';

/** Longest drain in milliseconds: above the longest deadline of a route, below the 60 s of a load balancer. */
const DRAIN_MS = 55_000;

await runWorkers({
  service: 'gateway',
  drainMs: () => DRAIN_MS,
  // Imported here, so that the supervisor of several workers, which serves no request, does not load it.
  start: async (parts) => (await import('./create-gateway.js')).startGateway(parts),
});
