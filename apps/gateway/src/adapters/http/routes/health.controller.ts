import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { dependencies } from '#lib/contracts/dependencies';
import { type CheckReport, Health, type HealthReport } from '#lib/runtime/health/health';
import { renderAsyncApi } from '../schema/asyncapi/asyncapi.js';
import { API_VERSION } from '../schema/openapi.js';

@Controller()
export class HealthController {
  private readonly startedAt = new Date().toISOString();
  /** Made for the first reader. */
  private asyncApi: object | undefined;

  constructor(private readonly health: Health) {}

  /** Probes every dependency within 2.5 s. 503 when Postgres is down, 200 otherwise. */
  @Get('v1/health')
  async deep(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthReport> {
    const { status, checks } = await this.health.report();
    reply.code(status === 'down' ? 503 : 200);
    return { status, checks: { ...Object.fromEntries(dependencies.map((name) => [name, this.unused()])), ...checks } };
  }

  @Get('asyncapi.json')
  events(): object {
    this.asyncApi ??= renderAsyncApi(API_VERSION);
    return this.asyncApi;
  }

  // The contract names each dependency; one without a probe is not used by this version or this configuration.
  private unused(): CheckReport {
    return { status: 'not_configured', latencyMs: 0, breaker: 'closed', since: this.startedAt };
  }
}
