import { expect, it } from 'vitest';
import type { ControlAnswers, ControlChannelPort, ProcessAnswer } from '#lib/bus/control/control-channel.port';
import { llmProbe } from './llm-probe.js';

const SINCE = '2026-01-31T09:30:00.000Z';
type State = 'closed' | 'half-open' | 'open';

const scoring = (pid: number, ...states: State[]): ProcessAnswer<unknown> => ({
  app: 'scoring',
  host: 'h',
  pid,
  silent: false,
  answer: states.map((state) => ({ dependency: 'llm', operation: 'chat', state, since: SINCE })),
});
const gateway: ProcessAnswer<unknown> = { app: 'gateway', host: 'h', pid: 1, silent: false, answer: [] };
const probeOf = (processes: ProcessAnswer<unknown>[], others: ControlAnswers<unknown>['others'] = 'asked') =>
  llmProbe({ ask: async () => ({ processes, others }) } as unknown as ControlChannelPort);
const check = (probe: ReturnType<typeof probeOf>) => probe.check(new AbortController().signal);

it('the check of the language model is ok when every breaker to it is closed', async () => {
  const probe = probeOf([gateway, scoring(2, 'closed'), scoring(3, 'closed')]);
  expect(await check(probe)).toBeUndefined();
  expect(probe.breaker?.()).toEqual({ state: 'closed', since: new Date(SINCE) });
});

it('the check of the language model is down when every process that calls it has found it out', async () => {
  const probe = probeOf([gateway, scoring(2, 'open'), scoring(3, 'open')]);
  await expect(check(probe)).rejects.toMatchObject({ code: 'breaker-open' });
  expect(probe.breaker?.()).toEqual({ state: 'open', since: new Date(SINCE) });
});

it.each([
  ['one process of two has found it out', [scoring(2, 'closed'), scoring(3, 'open')], 'breaker-open'],
  ['it was not tried since the outage', [scoring(2, 'half-open')], 'breaker-half-open'],
  ['no process that calls it runs', [gateway], 'no-scoring-process'],
] as const)('the check of the language model is degraded when %s', async (_, processes, degraded) => {
  expect(await check(probeOf([...processes]))).toEqual({ degraded });
});

it('the check of the language model does not claim to know what it cannot ask', async () => {
  const silent: ProcessAnswer<unknown> = { app: 'scoring', host: 'h', pid: 2, silent: true, reason: 'no-answer' };
  expect(await check(probeOf([gateway], 'unreachable'))).toEqual({ degraded: 'not-known' });
  expect(await check(probeOf([gateway, silent]))).toEqual({ degraded: 'not-known' });
});
