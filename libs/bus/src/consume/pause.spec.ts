import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SwitchedBreakers } from '../builders.contract.js';
import { Pause } from './pause.js';

describe('Pause', () => {
  let breakers: SwitchedBreakers;
  let changes: string[];

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    breakers = new SwitchedBreakers();
    changes = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const started = (capacity = 10): Pause => {
    const pause: Pause = new Pause({
      pausesWith: ['chroma', 'postgres'],
      breakers,
      capacity,
      onChange: () => changes.push(`${pause.state} ${pause.allowance}`),
    });
    pause.start();
    changes = [];
    return pause;
  };

  it('a pause starts running, at full capacity', () => {
    expect(started()).toMatchObject({ state: 'running', allowance: 10 });
  });

  it('a pause starts paused when a breaker is already open', () => {
    breakers.switch('postgres', 'open');
    expect(started()).toMatchObject({ state: 'paused', allowance: 0 });
  });

  it('a breaker that opens, half-opens and closes makes a queue pause, probe with one, and ramp up in doublings', () => {
    const pause = started();
    breakers.switch('chroma', 'open');
    breakers.switch('chroma', 'half-open');
    pause.passed();
    breakers.switch('chroma', 'closed');
    for (let run = 0; run < 4; run += 1) pause.passed();
    expect(changes).toEqual(['paused 0', 'probing 1', 'ramp 1', 'ramp 2', 'ramp 4', 'ramp 8', 'running 10']);
  });

  it('a failed probe leads back to the pause', () => {
    const pause = started();
    breakers.switch('chroma', 'open');
    breakers.switch('chroma', 'half-open');
    breakers.switch('chroma', 'open');
    pause.metOutage(1_000);
    expect(pause).toMatchObject({ state: 'paused', allowance: 0 });
    vi.advanceTimersByTime(3_600_000);
    expect(pause.state).toBe('paused');
  });

  it('a breaker that the queue does not need changes nothing', () => {
    const pause = started();
    breakers.switch('llm', 'open');
    expect(pause.state).toBe('running');
    expect(changes).toEqual([]);
  });

  it('a queue stays paused until its last dependency is back', () => {
    const pause = started();
    breakers.switch('chroma', 'open');
    breakers.switch('postgres', 'open');
    breakers.switch('chroma', 'closed');
    expect(pause.state).toBe('paused');
    breakers.switch('postgres', 'half-open');
    expect(pause.state).toBe('probing');
  });

  it('a queue whose outage no breaker notices probes by itself, further and further apart', () => {
    const pause = started();
    const waits: number[] = [];
    for (let outage = 0; outage < 12; outage += 1) {
      pause.metOutage(0);
      expect(pause).toMatchObject({ state: 'paused', allowance: 0, isBreakerOpen: false });
      let waited = 0;
      for (; pause.state === 'paused'; waited += 100) vi.advanceTimersByTime(100);
      waits.push(waited);
      expect(pause).toMatchObject({ state: 'probing', allowance: 1 });
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(20_100);
    pause.passed();
    expect(pause).toMatchObject({ state: 'ramp', allowance: 2 });
  });

  it('a probe waits as long as the dependency asked for', () => {
    const pause = started();
    pause.metOutage(15_000);
    vi.advanceTimersByTime(14_999);
    expect(pause.state).toBe('paused');
    vi.advanceTimersByTime(6_000);
    expect(pause.state).toBe('probing');
  });

  it('an open breaker decides when to probe', () => {
    const pause = started();
    pause.metOutage(100);
    breakers.switch('chroma', 'open');
    vi.advanceTimersByTime(60_000);
    expect(pause).toMatchObject({ state: 'paused', isBreakerOpen: true });
  });

  it('five passed probes outweigh a breaker that stays half-open: it belongs to calls that this queue does not make', () => {
    const pause = started();
    breakers.switch('postgres', 'half-open');
    for (let probe = 0; probe < 4; probe += 1) pause.passed();
    expect(pause.state).toBe('probing');
    pause.passed();
    expect(pause).toMatchObject({ state: 'ramp', allowance: 2 });
  });

  it('a capacity of one has nothing to ramp up', () => {
    const pause = started(1);
    breakers.switch('chroma', 'open');
    breakers.switch('chroma', 'closed');
    expect(pause).toMatchObject({ state: 'running', allowance: 1 });
  });

  it('a stopped pause follows no breaker and sets no timer', () => {
    const pause = started();
    pause.metOutage(10);
    pause.stop();
    breakers.switch('chroma', 'open');
    vi.advanceTimersByTime(60_000);
    expect(pause).toMatchObject({ state: 'paused', allowance: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });
});
