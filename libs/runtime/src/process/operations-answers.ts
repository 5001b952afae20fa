import type { Readiness } from '../health/readiness.js';
import { renderAllMetrics } from '../metrics/worker-metrics.js';

/** What an operations endpoint says; `body` is an object for JSON, else text of `contentType`. */
export interface OperationsAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Body of `GET /livez`. */
export interface Liveness {
  readonly status: 'alive';
}

const json = (status: number, body: object): OperationsAnswer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: JSON.stringify(body),
});

/** The process runs and its event loop turns; failing it means "restart me". */
export const livez = (): OperationsAnswer => json(200, { status: 'alive' } satisfies Liveness);

/** Whether to send work here; always fresh, because it costs nothing to find out. */
export const readyz = (readiness: Readiness): OperationsAnswer => {
  const report = readiness.report();
  return json(report.status === 'ready' ? 200 : 503, report);
};

/** Metrics of all workers behind the port, whichever of them answers; within 1.5 s. */
export const metricsText = async (): Promise<OperationsAnswer> => ({ status: 200, ...(await renderAllMetrics()) });
