import { describe, expect, it } from 'vitest';
import type { PublishOutcome } from './publisher.port.js';
import { untilConfirmed } from './until-confirmed.js';

describe('untilConfirmed', () => {
  it('a publish is repeated until the broker confirms it, and each failure is reported', async () => {
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

  it('an abort ends the wait at once', async () => {
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

  it('an aborted publish does not start', async () => {
    let tries = 0;
    const publish = async (): Promise<PublishOutcome> => {
      tries += 1;
      return { kind: 'confirmed' };
    };
    expect(await untilConfirmed(publish, AbortSignal.abort())).toBe(false);
    expect(tries).toBe(0);
  });
});
