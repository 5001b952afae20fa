import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BreakerState, CallVerdict, Permit } from '../call/breaker.port.js';
import { OpossumBreaker, WindowClock } from './opossum-breaker.js';

const RESET_MS = 10_000;

beforeEach(() => {
  vi.useFakeTimers();
  // The jitter only ever shortens the wait; without it the tests can name exact times.
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const breaker = () => new OpossumBreaker({ name: 'chroma.query', resetMs: RESET_MS }, new WindowClock());

const permitOf = (subject: OpossumBreaker): Permit => {
  const permit = subject.permit();
  if (permit === undefined) throw new Error(`no permit: the breaker is ${subject.state}`);
  return permit;
};

/** Lets as many calls end as there are verdicts, one after the other. */
const finish = (subject: OpossumBreaker, ...verdicts: CallVerdict[]): void => {
  for (const verdict of verdicts) permitOf(subject).verdict(verdict);
};

const opened = (): OpossumBreaker => {
  const subject = breaker();
  finish(subject, ...Array<CallVerdict>(5).fill('failing'));
  return subject;
};

const halfOpened = async (): Promise<OpossumBreaker> => {
  const subject = opened();
  await vi.advanceTimersByTimeAsync(RESET_MS);
  return subject;
};

describe('a closed breaker', () => {
  it('does not open at the first failure', () => {
    const subject = breaker();

    finish(subject, 'failing', 'failing', 'failing', 'failing');

    expect(subject.state).toBe('closed');
  });

  it('opens when five calls have failed', () => {
    expect(opened().state).toBe('open');
  });

  it('stays closed while no more than half of the calls fail', async () => {
    const subject = breaker();

    const takingTurns = async (turns: number) => {
      for (let turn = 0; turn < turns; turn += 1) {
        finish(subject, 'healthy');
        await vi.advanceTimersByTimeAsync(0); // opossum counts a success a few microtasks later
        finish(subject, 'failing');
      }
    };
    await takingTurns(10);

    expect(subject.state).toBe('closed');
    finish(subject, 'failing');
    expect(subject.state).toBe('open');
  });

  it('opens at five failures in a row, however many calls went well a moment ago', async () => {
    const subject = breaker();
    finish(subject, ...Array<CallVerdict>(1_000).fill('healthy'));
    await vi.advanceTimersByTimeAsync(0);

    finish(subject, 'failing', 'failing', 'failing', 'failing');
    expect(subject.state).toBe('closed');
    finish(subject, 'failing');

    expect(subject.state).toBe('open');
  });

  it('starts counting in a row anew after a success, and not after a call that says nothing', async () => {
    const subject = breaker();
    finish(subject, ...Array<CallVerdict>(1_000).fill('healthy'));
    await vi.advanceTimersByTimeAsync(0);

    finish(subject, 'failing', 'failing', 'failing', 'failing', 'healthy', 'failing', 'failing', 'unknown', 'failing', 'failing');
    expect(subject.state).toBe('closed');
    finish(subject, 'failing');

    expect(subject.state).toBe('open');
  });

  it('forgets what is older than ten seconds', async () => {
    const subject = breaker();

    finish(subject, 'failing', 'failing', 'failing', 'failing', 'healthy');
    await vi.advanceTimersByTimeAsync(10_000);
    finish(subject, 'failing', 'failing', 'failing', 'failing');

    expect(subject.state).toBe('closed');
  });

  it('opens although other calls still hang: calls in flight do not dilute the failures', () => {
    const subject = breaker();
    for (let call = 0; call < 20; call += 1) permitOf(subject);

    finish(subject, ...Array<CallVerdict>(5).fill('failing'));

    expect(subject.state).toBe('open');
  });

  it('takes nothing from calls that say nothing about the dependency', () => {
    const subject = breaker();

    finish(subject, ...Array<CallVerdict>(50).fill('unknown'));

    expect(subject.state).toBe('closed');
  });

  it('counts each call once, whatever its holder says later', () => {
    const subject = breaker();
    const permit = permitOf(subject);

    for (let time = 0; time < 5; time += 1) permit.verdict('failing');

    expect(subject.state).toBe('closed');
  });
});

describe('an open breaker', () => {
  it('refuses every call until its time is over and says how long that is', async () => {
    const subject = opened();

    await vi.advanceTimersByTimeAsync(RESET_MS - 1_000);

    expect(subject.permit()).toBeUndefined();
    expect(subject.retryInMs).toBe(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(subject.state).toBe('half-open');
  });

  it('is not closed by a call from before it opened that succeeds late', async () => {
    const subject = breaker();
    const early = permitOf(subject);
    finish(subject, ...Array<CallVerdict>(5).fill('failing'));
    await vi.advanceTimersByTimeAsync(RESET_MS);

    early.verdict('healthy');
    await vi.advanceTimersByTimeAsync(0);
    expect(subject.state).toBe('half-open');
    finish(subject, 'healthy');

    expect(subject.state).toBe('half-open');
  });

  it('is not held open by a call from before it opened that fails late', async () => {
    const subject = breaker();
    const early = permitOf(subject);
    finish(subject, ...Array<CallVerdict>(5).fill('failing'));
    await vi.advanceTimersByTimeAsync(RESET_MS);

    early.verdict('failing');

    expect(subject.state).toBe('half-open');
  });

  it('tries again up to a fifth earlier than it was told, never later', async () => {
    vi.mocked(Math.random).mockReturnValue(0.999);
    const subject = opened();

    await vi.advanceTimersByTimeAsync(RESET_MS * 0.81);

    expect(subject.state).toBe('half-open');
  });
});

describe('a half-open breaker', () => {
  it('permits one trial at a time', async () => {
    const subject = await halfOpened();

    const trial = permitOf(subject);

    expect(subject.permit()).toBeUndefined();
    trial.verdict('healthy');
    expect(subject.permit()).toBeDefined();
  });

  it('closes after two healthy trials, not after one', async () => {
    const subject = await halfOpened();

    finish(subject, 'healthy');
    expect(subject.state).toBe('half-open');
    finish(subject, 'healthy');

    expect(subject.state).toBe('closed');
  });

  it('opens again at one failing trial, for the full time', async () => {
    const subject = await halfOpened();

    finish(subject, 'healthy', 'failing');

    expect(subject.state).toBe('open');
    await vi.advanceTimersByTimeAsync(RESET_MS - 1);
    expect(subject.state).toBe('open');
    await vi.advanceTimersByTimeAsync(1);
    expect(subject.state).toBe('half-open');
  });

  it('starts counting healthy trials anew after it was open again', async () => {
    const subject = await halfOpened();
    finish(subject, 'healthy', 'failing');
    await vi.advanceTimersByTimeAsync(RESET_MS);

    finish(subject, 'healthy');

    expect(subject.state).toBe('half-open');
  });

  it('gives the place of a trial that says nothing to the next one', async () => {
    const subject = await halfOpened();

    finish(subject, 'unknown');

    expect(subject.state).toBe('half-open');
    expect(subject.permit()).toBeDefined();
  });

  it('does not open at the first failure after it closed: what happened before the outage is forgotten', async () => {
    const short = new OpossumBreaker({ name: 'chroma.query', resetMs: 100 }, new WindowClock());
    finish(short, ...Array<CallVerdict>(5).fill('failing'));
    await vi.advanceTimersByTimeAsync(100);
    finish(short, 'healthy', 'healthy');

    finish(short, 'failing', 'failing', 'failing', 'failing');

    expect(short.state).toBe('closed');
  });
});

it('a breaker tells its listeners each change, with the state already changed and its time', async () => {
  const subject = breaker();
  const seen: BreakerState[] = [];
  subject.onChange((state) => {
    expect(state).toBe(subject.state);
    seen.push(state);
  });

  finish(subject, ...Array<CallVerdict>(5).fill('failing'));
  await vi.advanceTimersByTimeAsync(RESET_MS);
  const halfOpenAt = new Date();
  expect(subject.since).toEqual(halfOpenAt);
  finish(subject, 'healthy', 'healthy');

  expect(seen).toEqual(['open', 'half-open', 'closed']);
});
