import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runWorkers } from '#lib/runtime/workers/run-workers';

await runWorkers({
  service: 'gateway',
  drainMs: drainTimes.gateway,
  // Imported here, so that the supervisor of several workers, which serves no request, does not load it.
  start: async (parts) => (await import('./create-gateway.js')).startGateway(parts),
});
