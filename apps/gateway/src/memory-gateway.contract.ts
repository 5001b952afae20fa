import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { parseConfig } from '#lib/runtime/config/config';
import { Readiness } from '#lib/runtime/health/readiness';
import { createLogger } from '#lib/runtime/log/logger';
import { type EdgeLimits, edgeLimits } from './adapters/http/edge/edge-limits.js';
import { createGateway } from './create-gateway.js';
import { GatewayModule } from './gateway.module.js';

/** What the tokens of these tests are signed with. */
export const SECRET = 'a-secret-of-at-least-thirty-two-bytes';

const env = {
  DATABASE_URL: 'postgres://unused',
  RABBITMQ_URL: 'amqp://unused',
  CHROMA_URL: 'http://unused',
  AUTH_JWT_SECRET: SECRET,
  RATE_LIMIT_PER_USER: '0',
};

/** How a gateway of a test differs from one without a rate limit per user that logs nothing. */
export interface Differences {
  /** Environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly limits?: Partial<EdgeLimits>;
  /** Takes the lines of level info and above. */
  readonly logTo?: Record<string, unknown>[];
}

const running: { close(): Promise<void> }[] = [];

/** A gateway on memory that is ready, for `inject` or `listen`. {@link closeGateways} ends it. */
export const bootGateway = async (differences: Differences = {}): Promise<NestFastifyApplication> => {
  const { logTo } = differences;
  const config = parseConfig({ ...env, ...differences.env });
  const readiness = new Readiness();
  const destination = { write: (line: string) => void logTo?.push(JSON.parse(line) as Record<string, unknown>) };
  const logger = createLogger('gateway', logTo === undefined ? 'silent' : 'info', destination);
  const limits = { ...edgeLimits(config), ...differences.limits };
  const app = await createGateway(GatewayModule.inMemory(), { config, logger, readiness }, limits);
  running.push({ close: () => app.close().finally(() => readiness.stop()) });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  readiness.started();
  return app;
};

/** Ends what {@link bootGateway} began. */
export const closeGateways = async (): Promise<void> => {
  await Promise.all(running.splice(0).map((gateway) => gateway.close()));
};
