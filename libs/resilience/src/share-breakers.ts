import { reportAlso } from '#lib/runtime/process-report';
import { answerSiblings } from '#lib/runtime/sibling-workers';
import type { Breakers } from './breakers.js';

/** Lets operators see the breakers of this process: in its reports those that are not closed, and all of them when somebody asks. */
export const shareBreakers = (breakers: Breakers): Breakers => {
  const all = () => breakers.all().map(({ since, ...breaker }) => ({ ...breaker, since: since.toISOString() }));
  answerSiblings('breakers', all);
  reportAlso('breakers', () => all().filter(({ state }) => state !== 'closed'));
  return breakers;
};
