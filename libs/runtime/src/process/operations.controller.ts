import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { Readiness } from '../health/readiness.js';
import { renderAllMetrics } from '../metrics/worker-metrics.js';

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

  /** The process runs and its event loop turns; failing it means "restart me". */
  @Get('livez')
  @Header('cache-control', 'no-store')
  livez(): { status: 'alive' } {
    return { status: 'alive' };
  }

  /** Whether to send work here; always fresh, because it costs nothing to find out. */
  @Get('readyz')
  readyz(@Res() reply: Reply): void {
    const report = this.readiness.report();
    reply
      .status(report.status === 'ready' ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(report);
  }

  /** Of all workers behind this port, whichever of them answers. */
  @Get('metrics')
  async metrics(@Res() reply: Reply): Promise<void> {
    const { contentType, body } = await renderAllMetrics();
    reply.status(200).header('cache-control', 'no-store').header('content-type', contentType).send(body);
  }
}
