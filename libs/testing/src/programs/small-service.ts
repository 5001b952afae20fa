import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { ProcessModule } from '#lib/runtime/process/process.module';
import { runInContext } from '#lib/runtime/log/context';
import { createOperationsApp } from '#lib/runtime/process/http-server';
import { beginWait, beginWork } from '#lib/runtime/work/work-registry';
import { watchPool } from '#lib/runtime/work/pools';
import { runWorkers } from '#lib/runtime/workers/run-workers';

// A process for tests that need a real one to kill, to block and to stop: the operations endpoints of every process, and a few that misbehave.

/** Blocks the event loop as a runaway loop would. */
function spinFor(ms: number): void {
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt);
}

/** A request in whose handler something is waited for that never comes, long past its deadline. */
function forgetToAnswer(): void {
  const context = { requestId: 'lost' };
  const work = beginWork(context, { kind: 'request', id: 'lost', what: 'GET /lost' });
  void runInContext(context, () =>
    work.handle(100, () => {
      beginWait('postgres', 'sends');
      return new Promise(() => undefined);
    }),
  );
}

await runWorkers({
  service: 'small',
  drainMs: () => 5_000,
  start: async (parts) => {
    if (process.env['SMALL_FAILS'] === 'start') throw new Error('told to fail');
    const app = await createOperationsApp(ProcessModule.of(parts));
    const fastify = app.getHttpAdapter().getInstance();
    fastify.get('/pid', () => ({ pid: process.pid }));
    fastify.get<{ Querystring: { ms: string } }>('/slow', async ({ query }) => {
      parts.logger.info('slow request in hand');
      await sleep(Number(query.ms));
      return { pid: process.pid };
    });
    fastify.get<{ Querystring: { ms: string } }>('/spin', async ({ query }, reply) => {
      setImmediate(() => spinFor(Number(query.ms)));
      return reply.send({ pid: process.pid });
    });
    fastify.get('/spin-in-a-context', async (_, reply) => {
      setImmediate(() => runInNewContext('for (;;);'));
      return reply.send({ pid: process.pid });
    });
    fastify.get('/stall', async (_, reply) => {
      // Native code, which no inspector reaches into; the child ends by itself.
      setImmediate(() => execFileSync('sleep', ['15']));
      return reply.send({ pid: process.pid });
    });
    fastify.get('/leak', () => {
      watchPool('leaky', () => ({ size: 1, inUse: 1, waiting: 1, releases: 0 }));
      return { pid: process.pid };
    });
    fastify.get('/lost', () => {
      forgetToAnswer();
      return { pid: process.pid };
    });
    await app.listen(parts.config.PORT, '127.0.0.1');
    return () => app.close();
  },
});
