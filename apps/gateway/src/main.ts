import 'reflect-metadata';
import { runWorkers } from '#lib/runtime/workers/run-workers';

/** resilience.md, "drain": longer than the longest deadline by far, shorter than a load balancer waits. */
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
