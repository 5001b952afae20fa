import { expect, it } from 'vitest';
import { MemoryScrape } from './adapters/memory-scrape.js';
import { RunScrape } from './run-scrape.js';
import { ScrapeRounds } from './scrape-rounds.js';

const roundAt = (at: number, value: number) => ({
  at,
  processes: [{ target: 'a', service: 'gateway', samples: [{ name: 'hits_total', labels: {}, value }] }],
  failed: [],
});

it('each run takes a round and keeps it', async () => {
  const rounds = new ScrapeRounds();
  const scrape = new RunScrape(new MemoryScrape([roundAt(1_000, 5), roundAt(6_000, 25)]), rounds);
  await scrape.execute(new AbortController().signal);
  await scrape.execute(new AbortController().signal);
  expect(rounds.latest?.at).toBe(6_000);
  expect(rounds.rate('hits_total', { ms: 60_000 })).toBe(4);
});

it('a run that is stopped keeps nothing', async () => {
  const rounds = new ScrapeRounds();
  const scrape = new RunScrape(new MemoryScrape([roundAt(1_000, 5)]), rounds);
  await expect(scrape.execute(AbortSignal.abort())).rejects.toThrow(/aborted/);
  expect(rounds.latest).toBeUndefined();
});
