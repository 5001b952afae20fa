import type { Config } from '#lib/runtime/config/config';

/** Calls of the model for one end: its questions and its emotion (R082). */
const CALLS_PER_END = 2;

/**
 * Milliseconds that scoring `ends` takes at the least: ends x 2 calls / LLM_REQUESTS_PER_MINUTE. 10,000 ends at 30 a minute are 11 hours. Retries,
 * and what interactive scoring takes of the same budget, come on top. The local analysis has no budget.
 */
export const expectedMs = (
  ends: number,
  { LLM_PROVIDER, LLM_REQUESTS_PER_MINUTE }: Pick<Config, 'LLM_PROVIDER' | 'LLM_REQUESTS_PER_MINUTE'>,
): number => (LLM_PROVIDER === 'local' ? 0 : ((ends * CALLS_PER_END) / LLM_REQUESTS_PER_MINUTE) * 60_000);
