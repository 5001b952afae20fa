import { renderAllMetrics } from '#lib/runtime/metrics/worker-metrics';
import { parseMetrics } from '../parse-metrics.js';
import { ScrapePort, type ScrapeRound, serviceOf } from '../scrape.port.js';

/** Without METRICS_TARGETS: only this process, read from its own memory. */
export class OwnScrape extends ScrapePort {
  /** @param kept names of the samples to give; left out: all. */
  constructor(private readonly kept?: ReadonlySet<string>) {
    super();
  }

  async round(signal: AbortSignal): Promise<ScrapeRound> {
    signal.throwIfAborted();
    const at = Date.now();
    const { samples } = parseMetrics((await renderAllMetrics()).body, this.kept);
    return { at, processes: [{ target: 'self', service: serviceOf(samples), samples }], failed: [] };
  }
}
