import { Injectable } from '@nestjs/common';
import { ScrapePort } from './scrape.port.js';
import { ScrapeRounds } from './scrape-rounds.js';

/** Takes a round of the metrics of all processes, for alerts and for scaling advice. */
@Injectable()
export class RunScrape {
  constructor(
    private readonly processes: ScrapePort,
    private readonly rounds: ScrapeRounds,
  ) {}

  /** @throws only the reason of `signal`. */
  async execute(signal: AbortSignal): Promise<void> {
    this.rounds.add(await this.processes.round(signal));
  }
}
