import { describe, expect, it } from 'vitest';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { type Decision, type DeliveryHistory, decide } from './decide.js';
import { CrashLoop, Interrupted, Postpone, Reject } from '../../outcome.js';

const history = (facts: Partial<DeliveryHistory> = {}): DeliveryHistory => ({
  queue: 'embedding.messages',
  attempt: 1,
  attempts: 3,
  pausesWith: ['chroma', 'postgres'],
  isPoison: false,
  ...facts,
});
const chroma = (kind: 'timeout' | 'unavailable' | 'open' | 'overloaded') => new DependencyError('chroma', 'upsert', kind);
const llm = (kind: 'timeout' | 'unavailable' | 'open' | 'overloaded') => new DependencyError('llm', 'analyse', kind);
const retry = (tier: number): Decision => ({ kind: 'retry', tier });
const postpone = (tier: number): Decision => ({ kind: 'postpone', tier });
const hold: Decision = { kind: 'hold', retryAfterMs: 1_000 };
const deadLetter: Decision = { kind: 'dead-letter' };

describe('decide', () => {
  it.each<[string, unknown, Partial<DeliveryHistory>, Decision]>([
    ['a rejection', new Reject('bad'), {}, deadLetter],
    ['a message that kills its consumers', new CrashLoop(20), {}, deadLetter],
    ['any error on the first try', new Error('x'), {}, retry(1)],
    ['any error on the second try', new Error('x'), { attempt: 2 }, retry(2)],
    ['any error on the last try', new Error('x'), { attempt: 3 }, deadLetter],
    ['something thrown that is no error', undefined, {}, retry(1)],
    ['a handler that took too long', new DeadlineExceeded(30_000), {}, retry(1)],
    ['more tries than tiers', new Error('x'), { attempt: 7, attempts: 9 }, retry(3)],
    ['a row with a single try', new Error('x'), { attempts: 1 }, deadLetter],
    ['a short postponement', new Postpone(1), {}, postpone(1)],
    ['a postponement between two tiers', new Postpone(3_000), {}, postpone(2)],
    ['a postponement beyond the last tier', new Postpone(3_600_000), {}, postpone(3)],
    ['a postponement on the last try', new Postpone(1), { attempt: 3 }, postpone(1)],
    ['a timeout of what the queue pauses with', chroma('timeout'), {}, hold],
    ['an outage of what the queue pauses with, on the last try', chroma('unavailable'), { attempt: 3 }, hold],
    ['an open breaker', chroma('open'), {}, hold],
    ['a timeout of something else', llm('timeout'), {}, retry(1)],
    ['an outage of something else, on the last try', llm('unavailable'), { attempt: 3 }, deadLetter],
    ['an open breaker of something else', llm('open'), {}, hold],
    ['our own limit of calls to something else', llm('overloaded'), {}, hold],
    ['the broker itself', new DependencyError('rabbitmq', 'publish', 'timeout'), {}, hold],
    ['an opossum breaker without our wrapper', Object.assign(new Error('Breaker is open'), { code: 'EOPENBREAKER' }), {}, hold],
    ['a stop', new Interrupted('stopping'), {}, { kind: 'hold', retryAfterMs: 0 }],
    ['an outage that only this event meets', chroma('timeout'), { isPoison: true }, retry(1)],
    ['an outage that only this event meets, on the last try', chroma('timeout'), { isPoison: true, attempt: 3 }, deadLetter],
  ])('%s', (_, error, facts, decision) => {
    expect(decide(error, history(facts))).toEqual(decision);
  });
});
