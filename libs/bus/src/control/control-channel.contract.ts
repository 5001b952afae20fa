import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ControlChannelPort } from './control-channel.port.js';

/** A control channel of the app `observer`, with the answers of its own process. */
export interface ControlChannelSetup {
  readonly channel: ControlChannelPort;
  /** Sets the answers of this process; undefined = it has nothing of the kind. */
  answer(how: (question: string) => unknown): void;
  close(): Promise<void>;
}

export const aBreaker = (dependency: string, state = 'open') => ({
  dependency,
  operation: 'query',
  state,
  since: '2026-01-01T00:00:00.000Z',
});

/** What every control channel promises. */
export const controlChannelContract = (make: () => Promise<ControlChannelSetup>): void => {
  let setup: ControlChannelSetup;
  beforeEach(async () => {
    setup = await make();
  });
  afterEach(async () => setup.close());

  const self = { app: 'observer', host: expect.any(String), pid: process.pid };

  it('a control channel lists the asking process with its own answer', async () => {
    setup.answer(() => [aBreaker('chroma')]);
    expect(await setup.channel.ask('breakers')).toEqual({
      processes: [{ ...self, silent: false, answer: [aBreaker('chroma')] }],
      others: 'asked',
    });
  });

  it('a control channel shows null for a process that has nothing of the kind', async () => {
    expect(await setup.channel.ask('consumers')).toMatchObject({ processes: [{ ...self, silent: false, answer: null }] });
  });

  it('a control channel shows nothing of an answer that breaks its schema', async () => {
    setup.answer(() => [{ ...aBreaker('chroma'), state: 'fine' }]);
    expect(await setup.channel.ask('breakers')).toMatchObject({ processes: [{ ...self, silent: true, reason: 'not-understood' }] });
  });
};
