import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { EventServer } from '#lib/bus/adapters/nest/event-server';
import { rowsOf } from '#lib/bus/adapters/nest/nest-handlers';
import { pipeline } from '#lib/contracts/pipeline';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { parseConfig } from '#lib/runtime/config/config';
import { Readiness } from '#lib/runtime/health/readiness';
import { createLogger } from '#lib/runtime/log/logger';
import type { ProcessParts, ProcessPlan } from '#lib/runtime/process/run-process';

/** An app whose process is held to {@link appModuleContract}. */
export interface AppUnderTest {
  /** As in the pipeline. */
  readonly service: string;
  /** As in its `main.ts`. */
  readonly start: ProcessPlan['start'];
  /** Its adapters, where it can be built with others, too. */
  readonly adapters?: string;
  /** Settings with which it must not start, and what it says then. */
  readonly refusals?: readonly Refusal[];
}

interface Refusal {
  /** Completes "refuses to start ...". */
  readonly when: string;
  readonly env: Readonly<Record<string, string>>;
  readonly says: RegExp;
}

/** What a process has when nothing listens at the addresses of its dependencies; for one test. */
export async function partsWithoutDependencies(service: string, env: Readonly<Record<string, string>> = {}): Promise<ProcessParts> {
  const [port = 0, closed = 0] = await freePorts(2);
  const readiness = new Readiness();
  onTestFinished(() => readiness.stop());
  return {
    config: parseConfig({
      PORT: String(port),
      HOST: '127.0.0.1',
      DATABASE_URL: `postgres://parley@127.0.0.1:${closed}/parley`,
      RABBITMQ_URL: `amqp://127.0.0.1:${closed}`,
      REDIS_URL: `redis://127.0.0.1:${closed}`,
      CHROMA_URL: `http://127.0.0.1:${closed}`,
      AUTH_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes',
      BUS_DRAIN_MS: '1000',
      ...env,
    }),
    logger: createLogger(service, 'silent'),
    readiness,
  };
}

/** What every app promises: it finds all its parts, needs none of its dependencies to start, answer and stop, and handles its rows of the pipeline. */
export function appModuleContract({ service, start, adapters, refusals = [] }: AppUnderTest): void {
  describe(`the ${service} process${adapters === undefined ? '' : ` with ${adapters} adapters`}`, () => {
    it('starts, answers and stops while every dependency is away; its handlers are its rows', async () => {
      const listening = vi.spyOn(EventServer.prototype, 'listen');
      onTestFinished(() => listening.mockRestore());
      const parts = await partsWithoutDependencies(service);
      const url = `http://127.0.0.1:${parts.config.PORT}`;
      const stop = await start(parts);
      parts.readiness.started();
      const readyz = await fetch(`${url}/readyz`);
      expect(await readyz.json()).toEqual({ status: 'ready', reasons: [] });
      const servers = listening.mock.contexts.filter((server) => server instanceof EventServer);
      const consumed = servers.flatMap((server) => Object.keys(server.pauseStates()));
      expect(consumed.toSorted()).toEqual(Object.keys(rowsOf(service, pipeline)).toSorted());
      await stop();
      await expect(fetch(`${url}/livez`)).rejects.toThrow('fetch failed');
    });

    it.each(refusals)('refuses to start $when', async ({ env, says }) => {
      await expect((async () => start(await partsWithoutDependencies(service, env)))()).rejects.toMatchObject({
        name: 'ConfigError',
        message: expect.stringMatching(says),
      });
    });
  });
}
