import { describe, expect, it } from 'vitest';
import { KeepAlive, nextDelayMs } from './keep-alive.js';
import { eventually } from '#lib/testing/eventually';

describe('the wait before the next start', () => {
  it('begins at one second and doubles up to thirty', () => {
    let delayMs: number | undefined;
    const waits = Array.from({ length: 7 }, () => (delayMs = nextDelayMs(delayMs, 100)));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('begins anew after a healthy minute', () => {
    expect(nextDelayMs(30_000, 60_000)).toBe(1_000);
    expect(nextDelayMs(30_000, 59_999)).toBe(30_000);
  });
});

describe('keep-alive', () => {
  const mortal = () => {
    let die: (how: string) => void = () => undefined;
    const starts = { count: 0 };
    return {
      starts,
      die: (how: string) => die(how),
      name: 'mortal',
      pid: 1,
      start: async () => {
        starts.count += 1;
      },
      onCrash: (listener: (how: string) => void) => {
        die = listener;
      },
    };
  };

  it('starts a process that died again and says so', async () => {
    const told: string[] = [];
    const keepAlive = new KeepAlive(
      (line) => told.push(line),
      () => undefined,
    );
    const one = mortal();
    keepAlive.watch(one);
    one.die('exited with code 9');
    await eventually(() => expect(told).toEqual(['mortal exited with code 9; starting it again in 1 s', 'mortal is back']));
    expect(one.starts.count).toBe(1);
  });

  it('starts one that had died before it was watched', async () => {
    const told: string[] = [];
    const keepAlive = new KeepAlive(
      (line) => told.push(line),
      () => undefined,
    );
    keepAlive.watch({ ...mortal(), pid: undefined });
    await eventually(() => expect(told.at(-1)).toBe('mortal is back'));
  });

  it('starts nothing any more once told to let go, even while it waits', async () => {
    const keepAlive = new KeepAlive(
      () => undefined,
      () => undefined,
    );
    const one = mortal();
    keepAlive.watch(one);
    one.die('was ended by SIGKILL');
    await keepAlive.stop();
    expect(one.starts.count).toBe(0);
  });
});
