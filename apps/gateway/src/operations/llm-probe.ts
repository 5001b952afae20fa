import type { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import type { BreakerState } from '#lib/resilience/call/breaker.port';
import type { HealthProbe } from '#lib/runtime/health/health';

/** The processes that call the language model. */
const CALLING_APP = 'scoring';

interface Known {
  readonly state: BreakerState;
  readonly since: Date;
}

/**
 * How the language model fares, by the breakers of the processes that call it: a gateway never does (R065). Down when all of them have found it
 * out, degraded when some have, when none has tried it again since (half-open), or when it is not known.
 */
export const llmProbe = (control: ControlChannelPort): HealthProbe => {
  let known: Known = { state: 'closed', since: new Date() };
  return {
    name: 'llm',
    breaker: () => known,
    check: async () => {
      const { processes, others } = await control.ask('breakers');
      const callers = processes.filter(({ app }) => app === CALLING_APP);
      const breakers = callers.flatMap((each) => (each.silent ? [] : (each.answer ?? []).filter(({ dependency }) => dependency === 'llm')));
      const opened = breakers.filter(({ state }) => state === 'open');
      const worst = opened[0] ?? breakers.find(({ state }) => state === 'half-open') ?? breakers[0];
      known = worst === undefined ? { state: 'closed', since: known.since } : { state: worst.state, since: new Date(worst.since) };
      if (worst === undefined)
        return { degraded: others === 'unreachable' || callers.length > 0 ? 'not-known' : `no-${CALLING_APP}-process` };
      if (opened.length === breakers.length) throw Object.assign(new Error('every breaker is open'), { code: 'breaker-open' });
      return worst.state === 'closed' ? undefined : { degraded: `breaker-${worst.state}` };
    },
  };
};
