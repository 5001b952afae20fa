import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { HealthReport } from '#lib/runtime/health/health';
import { DeepHealth } from '../../../operations/deep-health.js';
import { renderAsyncApi } from '../schema/asyncapi/asyncapi.js';
import { API_VERSION } from '../schema/openapi.js';

@Controller()
export class HealthController {
  /** Made for the first reader. */
  private asyncApi: object | undefined;

  constructor(private readonly health: DeepHealth) {}

  /** Probes every dependency within 2.5 s. 503 when Postgres is down, 200 otherwise. */
  @Get('v1/health')
  async deep(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthReport> {
    const report = await this.health.execute();
    reply.code(report.status === 'down' ? 503 : 200);
    return report;
  }

  @Get('asyncapi.json')
  events(): object {
    this.asyncApi ??= renderAsyncApi(API_VERSION);
    return this.asyncApi;
  }
}
