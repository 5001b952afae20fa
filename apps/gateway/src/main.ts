import 'reflect-metadata';
import { runWorkers } from '#lib/runtime/workers/run-workers';

/** docs/concepts/resilience.md, "drain": longer than the longest deadline by far, shorter than a load balancer waits. */
const DRAIN_MS = 55_000;

await runWorkers({
  service: 'gateway',
  drainMs: () => DRAIN_MS,
  // Imported here, so that the supervisor of several workers, which serves no request, does not load it.
  start: async (parts) => (await import('./create-gateway.js')).startGateway(parts),
});
