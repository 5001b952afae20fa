import { metrics } from '#lib/runtime/metrics/metrics';
import type { Layer } from './layer.js';

/** Measures the duration of each run by its outcome: `done`, `failed`, or `outage` for a failed dependency. */
export const measure =
  (queue: string, isOutage: (error: unknown) => boolean): Layer =>
  (next) =>
  async (items) => {
    const startedAt = performance.now();
    const observe = (outcome: string) => metrics.eventHandleDuration.observe({ queue, outcome }, (performance.now() - startedAt) / 1_000);
    try {
      const events = await next(items);
      observe('done');
      return events;
    } catch (error) {
      observe(isOutage(error) ? 'outage' : 'failed');
      throw error;
    }
  };
