import { Controller, Get, Inject, Res } from '@nestjs/common';
import { Readiness } from '../health/readiness.js';
import { livez, metricsText, type OperationsAnswer, readyz } from './operations-answers.js';

/** As much of Fastify's reply as is needed here. */
interface Reply {
  status(code: number): Reply;
  header(name: string, value: string): Reply;
  send(body: unknown): unknown;
}

/** What an orchestrator and Prometheus ask every process. None of it waits for anything outside the process. */
@Controller()
export class OperationsController {
  constructor(@Inject(Readiness) private readonly readiness: Readiness) {}

  @Get('livez')
  livez(@Res() reply: Reply): void {
    answer(reply, livez());
  }

  @Get('readyz')
  readyz(@Res() reply: Reply): void {
    answer(reply, readyz(this.readiness));
  }

  @Get('metrics')
  async metrics(@Res() reply: Reply): Promise<void> {
    answer(reply, await metricsText());
  }
}

const answer = (reply: Reply, { status, contentType, body }: OperationsAnswer): void => {
  reply.status(status).header('cache-control', 'no-store').header('content-type', contentType).send(body);
};
