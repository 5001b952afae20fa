import { createHistogram } from 'node:perf_hooks';
import type { ParleyClient } from '#lib/testing/parley-client';

/** Latency of hybrid searches over a number of messages that the reader may see. */
export interface SearchFigure {
  readonly messages: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly degradedCount: number;
}

const QUERIES = [
  'cà phê Đà Lạt',
  'ca phe gan cho',
  'book bus tickets friday',
  'phòng cho cả nhóm',
  'night market closes early',
  'forecast rain',
  'sữa nóng',
  'weekend busy',
];

/** `count` searches, four at a time, by a user who is a member of every conversation of the benchmark. */
export const measureSearch = async (reader: ParleyClient, messages: number, count: number): Promise<SearchFigure> => {
  const latency = createHistogram();
  let degradedCount = 0;
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const q = QUERIES[next++ % QUERIES.length] ?? '';
      const startedAt = performance.now();
      const results = await reader.search({ q, limit: 20 });
      latency.record(Math.max(1, Math.round((performance.now() - startedAt) * 1_000)));
      if (results.degraded.length > 0) degradedCount += 1;
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  const at = (percentile: number) => Math.round(latency.percentile(percentile) / 10) / 100;
  return { messages, p50Ms: at(50), p95Ms: at(95), p99Ms: at(99), degradedCount };
};
