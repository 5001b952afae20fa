import { describe, expect, it } from 'vitest';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { aReceived } from '../../builders.contract.js';
import type { Run } from './layer.js';
import { withinDeadline } from './within-deadline.js';

const items = [aReceived()];
const limited = (run: Run): Promise<unknown> => withinDeadline(20)(run)(items);
const whenAborted = (): Promise<void> =>
  new Promise((resolve) => currentDeadline()?.signal.addEventListener('abort', () => resolve(), { once: true }));

describe('withinDeadline', () => {
  it('the layer passes on results and errors of the handler', async () => {
    expect(await limited(async () => [])).toEqual([]);
    await expect(limited(() => Promise.reject(new RangeError('own')))).rejects.toThrow(RangeError);
  });

  it('a handler that never returns is ended', async () => {
    await expect(limited(() => new Promise(() => undefined))).rejects.toThrow(DeadlineExceeded);
  });

  it('an aborted handler reports its failed dependency, so that an outage is not counted as a failure', async () => {
    const outage = new DependencyError('chroma', 'upsert', 'timeout');
    const run = async () => {
      await whenAborted();
      throw outage;
    };
    await expect(limited(run)).rejects.toBe(outage);
  });

  it('any other late error counts as an exceeded deadline', async () => {
    const run = async () => {
      await whenAborted();
      throw new Error('aborted');
    };
    await expect(limited(run)).rejects.toThrow(DeadlineExceeded);
  });

  it('a result within the grace is accepted rather than computed again', async () => {
    const run = async () => {
      await whenAborted();
      return [];
    };
    expect(await limited(run)).toEqual([]);
  });
});
