import 'reflect-metadata';
import { runProcess } from '#lib/runtime/run-process';
import { createGateway } from './adapters/http/create-gateway.js';
import { LiveAdaptersModule } from './live-adapters.module.js';

/** resilience.md, "drain": longer than the longest deadline by far, shorter than a load balancer waits. */
const DRAIN_MS = 55_000;

await runProcess({
  service: 'gateway',
  drainMs: () => DRAIN_MS,
  start: async (parts) => {
    const app = await createGateway(LiveAdaptersModule, parts);
    await app.listen(parts.config.PORT, parts.config.HOST);
    return () => app.close();
  },
});
