import 'reflect-metadata';
import { runWorkers } from '#lib/runtime/workers/run-workers';

/** Longest drain in milliseconds: above the longest deadline of a route, below the 60 s of a load balancer. */
const DRAIN_MS = 55_000;

await runWorkers({
  service: 'gateway',
  drainMs: () => DRAIN_MS,
  start: async (parts) => {
    // Here, so that the supervisor of several workers, which serves nobody, does not load it.
    const [{ createGateway }, { LiveAdaptersModule }] = await Promise.all([
      import('./create-gateway.js'),
      import('./live-adapters.module.js'),
    ]);
    const app = await createGateway(LiveAdaptersModule, parts);
    await app.listen(parts.config.PORT, parts.config.HOST);
    return () => app.close();
  },
});
