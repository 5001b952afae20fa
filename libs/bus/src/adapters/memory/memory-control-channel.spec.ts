import { describe, expect, it } from 'vitest';
import { aBreaker, controlChannelContract } from '../../control/control-channel.contract.js';
import { MemoryControlChannel } from './memory-control-channel.js';

describe('MemoryControlChannel', () => {
  controlChannelContract(async () => {
    let how: (question: string) => unknown = () => undefined;
    const siblings = async (question: string) => ({
      workers: [{ pid: process.pid, silent: false as const, answer: how(question) as never }],
      counts: null,
    });
    return { channel: new MemoryControlChannel('observer', siblings), answer: (given) => (how = given), close: async () => undefined };
  });

  it('a hanging worker behind the same port is listed as silent, beside those that answer', async () => {
    const siblings = async () => ({
      workers: [
        { pid: 11, silent: true as const },
        { pid: 7, silent: false as const, answer: [aBreaker('chroma')] as never },
      ],
      counts: null,
    });
    const { processes } = await new MemoryControlChannel('gateway', siblings).ask('breakers');
    expect(processes).toMatchObject([
      { app: 'gateway', pid: 7, silent: false },
      { app: 'gateway', pid: 11, silent: true, reason: 'no-answer' },
    ]);
  });
});
