import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withDeadline } from '#lib/resilience/call/deadline';
import type { Answer, RequesterPort } from './requester.port.js';

/** A requester, and a way to answer what it asks. */
export interface RequesterSetup {
  readonly requester: RequesterPort;
  readonly respond: (queue: string, answer: Answer) => Promise<void>;
  readonly close?: () => Promise<void>;
}

/** What every requester promises. */
export const requesterContract = (make: () => Promise<RequesterSetup>): void => {
  describe('a requester', () => {
    let setup: RequesterSetup;
    beforeEach(async () => {
      setup = await make();
    });
    afterEach(async () => setup.close?.());

    it('a client gets the answer to its own question', async () => {
      await setup.respond('double', async (question) => ({ doubled: 2 * (question as { value: number }).value }));
      const answers = await Promise.all([1, 2, 3].map((value) => setup.requester.ask('double', { value })));
      expect(answers).toEqual([{ doubled: 2 }, { doubled: 4 }, { doubled: 6 }]);
    });

    it('a client learns at once that no process answers', async () => {
      await expect(setup.requester.ask('nobody', {})).rejects.toMatchObject({ name: 'DependencyError', dependency: 'rabbitmq' });
    });

    it('a request ends at the deadline of its caller', async () => {
      await setup.respond('silent', () => new Promise(() => undefined));
      await expect(withDeadline(100, () => setup.requester.ask('silent', {}))).rejects.toThrow(/deadline of 100 ms|timeout/);
    });
  });
};
