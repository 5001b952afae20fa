import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { metrics } from '#lib/runtime/metrics/metrics';
import { createBreakers } from '../adapters/opossum-breaker.js';
import type { BreakerState } from './breaker.port.js';
import type { Breakers } from './breakers.js';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const breakOpen = (breakers: Breakers, operation: string): void => {
  for (let call = 0; call < 5; call += 1) breakers.of('chroma', operation, 10_000).permit()?.verdict('failing');
};
const heal = (breakers: Breakers, operation: string): void => {
  for (let call = 0; call < 2; call += 1) breakers.of('chroma', operation, 10_000).permit()?.verdict('healthy');
};

it('a dependency that was never called has no breaker that is open', () => {
  expect(createBreakers().stateOf('redis')).toBe('closed');
});

it('the registry of breakers shows a dependency as bad as its worst operation', async () => {
  const breakers = createBreakers();
  breakOpen(breakers, 'query');
  await vi.advanceTimersByTimeAsync(5_000);
  breakOpen(breakers, 'upsert');
  const states: BreakerState[] = [breakers.stateOf('chroma')];

  await vi.advanceTimersByTimeAsync(5_000);
  heal(breakers, 'query');
  states.push(breakers.stateOf('chroma'));
  await vi.advanceTimersByTimeAsync(5_000);
  states.push(breakers.stateOf('chroma'));
  heal(breakers, 'upsert');
  states.push(breakers.stateOf('chroma'));

  expect(states).toEqual(['open', 'open', 'half-open', 'closed']);
});

it('the registry of breakers tells its listeners each dependency that changed, until they have heard enough', async () => {
  const breakers = createBreakers();
  const seen: string[] = [];
  const stop = breakers.onChange((dependency, state) => seen.push(`${dependency} ${state}`));

  breakOpen(breakers, 'query');
  breakOpen(breakers, 'upsert'); // changes nothing about the dependency
  await vi.advanceTimersByTimeAsync(10_000);
  stop();
  heal(breakers, 'query');
  heal(breakers, 'upsert');

  expect(seen).toEqual(['chroma open', 'chroma half-open']);
});

it('the registry of breakers lists every operation with its state and since when', () => {
  const breakers = createBreakers();
  breakers.of('postgres', 'send', 10_000);
  const openedAt = new Date();
  breakOpen(breakers, 'query');

  expect(breakers.all()).toEqual([
    { dependency: 'postgres', operation: 'send', state: 'closed', since: openedAt },
    { dependency: 'chroma', operation: 'query', state: 'open', since: openedAt },
  ]);
});

it('the registry of breakers remembers since when a dependency is what it is', async () => {
  const breakers = createBreakers();
  await vi.advanceTimersByTimeAsync(1_000);
  const openedAt = new Date();
  breakOpen(breakers, 'query');
  await vi.advanceTimersByTimeAsync(1_000);
  breakOpen(breakers, 'upsert');

  expect(breakers.sinceOf('chroma')).toEqual(openedAt);
});

it('the registry of breakers shows the state as a metric: 0 closed, 0.5 half-open, 1 open', async () => {
  const breakers = createBreakers();
  const value = async () => (await metrics.circuitBreakerState.get()).values.find(({ labels }) => labels['dependency'] === 'chroma')?.value;
  breakers.of('chroma', 'query', 10_000);
  const values = [await value()];

  breakOpen(breakers, 'query');
  values.push(await value());
  await vi.advanceTimersByTimeAsync(10_000);
  values.push(await value());

  expect(values).toEqual([0, 1, 0.5]);
});
