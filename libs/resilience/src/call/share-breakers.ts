import type { Logger } from '#lib/runtime/log/logger';
import { reportAlso } from '#lib/runtime/work/process-report';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import type { Breakers, BreakerTransition } from './breakers.js';

/**
 * Lets operators see the breakers of this process: in its reports those that are not closed, all of them when they are asked for, and each
 * transition in the log.
 */
export const shareBreakers = (breakers: Breakers, logger: Logger): Breakers => {
  const all = () => breakers.all().map(({ since, ...breaker }) => ({ ...breaker, since: since.toISOString() }));
  answerSiblings('breakers', all);
  reportAlso('breakers', () => all().filter(({ state }) => state !== 'closed'));
  breakers.onTransition((transition) => logger[levelOf(transition)](transition, `circuit breaker ${transition.to}`));
  return breakers;
};

// In a long outage it is tried every few seconds in vain; the beginning and the end are what an operator looks for.
const levelOf = ({ from, to }: BreakerTransition): 'warn' | 'info' | 'debug' => {
  if (to === 'open' && from === 'closed') return 'warn';
  return to === 'closed' ? 'info' : 'debug';
};
