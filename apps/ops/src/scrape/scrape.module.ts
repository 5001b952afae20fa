import { Module } from '@nestjs/common';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { MeasureProcesses } from '../measurements/measure-processes.js';
import { HttpScrape } from './adapters/http-scrape.js';
import { OwnScrape } from './adapters/own-scrape.js';
import { keptMetrics } from './kept-metrics.js';
import { RunScrape } from './run-scrape.js';
import { ScrapePort } from './scrape.port.js';
import { ScrapeRounds } from './scrape-rounds.js';

/** What ops knows of the other processes: ScrapeRounds, filled by RunScrape, and what MeasureProcesses makes of them. Without METRICS_TARGETS only of itself. */
@Module({
  providers: [
    {
      provide: ScrapePort,
      inject: [CONFIG, Lifecycle],
      useFactory: ({ METRICS_TARGETS: targets }: Config, lifecycle: Lifecycle): ScrapePort => {
        if (targets.length === 0) return new OwnScrape(keptMetrics);
        const scrape = new HttpScrape(targets, keptMetrics);
        lifecycle.add({ name: 'scrape connections', phase: 'stores', stop: () => scrape.close() });
        return scrape;
      },
    },
    { provide: ScrapeRounds, useFactory: () => new ScrapeRounds(keptMetrics) },
    RunScrape,
    MeasureProcesses,
  ],
  exports: [ScrapeRounds, RunScrape, MeasureProcesses],
})
export class ScrapeModule {}
