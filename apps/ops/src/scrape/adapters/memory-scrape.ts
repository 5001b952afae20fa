import { ScrapePort, type ScrapeRound } from '../scrape.port.js';

/** Rounds that a test prepares: one after the other, then the last again. */
export class MemoryScrape extends ScrapePort {
  private next = 0;

  constructor(private readonly rounds: readonly ScrapeRound[]) {
    super();
  }

  async round(signal: AbortSignal): Promise<ScrapeRound> {
    signal.throwIfAborted();
    const round = this.rounds[Math.min(this.next, this.rounds.length - 1)];
    this.next += 1;
    return round ?? { at: Date.now(), processes: [], failed: [] };
  }
}
