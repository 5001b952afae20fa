import { describe, expect, it } from 'vitest';
import type { PublishOutcome } from './publisher.port.js';
import { untilConfirmed } from './until-confirmed.js';

describe('untilConfirmed', () => {
  it('tries until the broker has it, and tells of each failure', async () => {
    const outcomes: PublishOutcome[] = [
      { kind: 'returned', reason: 'NO_ROUTE' },
      { kind: 'nacked', reason: 'full' },
      { kind: 'confirmed' },
    ];
    const failures: [string, number][] = [];
    const publish = async () => outcomes.shift() ?? { kind: 'confirmed' as const };
    const isThere = await untilConfirmed(publish, new AbortController().signal, ({ kind }, count) => failures.push([kind, count]));
    expect(isThere).toBe(true);
    expect(failures).toEqual([
      ['returned', 1],
      ['nacked', 2],
    ]);
  });

  it('stops waiting as soon as it is told to', async () => {
    const stopping = new AbortController();
    const waiting = untilConfirmed(
      async () => ({ kind: 'nacked', reason: 'away' }),
      stopping.signal,
      (_, failures) => {
        if (failures === 2) stopping.abort();
      },
    );
    expect(await waiting).toBe(false);
  });

  it('does not begin when it is told to stop', async () => {
    let tries = 0;
    const publish = async (): Promise<PublishOutcome> => {
      tries += 1;
      return { kind: 'confirmed' };
    };
    expect(await untilConfirmed(publish, AbortSignal.abort())).toBe(false);
    expect(tries).toBe(0);
  });
});
