import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import {
  type ScriptedAnswer,
  type ScriptedFault,
  scriptedFaults,
  ScriptedHttpServer,
  type ScriptedRequest,
} from '#lib/testing/scripted-http-server';
import { requestOf } from '../../analysis/llm-analysis.contract.js';
import { HttpMemory } from './http-memory.js';

const GOOD: ScriptedAnswer = {
  status: 200,
  body: [
    { id: '1', event: 'ADD', data: { memory: 'likes jazz' } },
    { id: '2', event: 'UPDATE', data: { memory: 'lives in Hue' } },
    { id: '3', event: 'ADD', data: { memory: 'has a dog' } },
  ],
};

let server: ScriptedHttpServer;
let answer: ScriptedAnswer | ScriptedFault = GOOD;
const asked: ScriptedRequest[] = [];
const open: HttpMemory[] = [];
beforeAll(async () => {
  server = await ScriptedHttpServer.start((request) => {
    asked.push(request);
    return answer;
  });
});
afterAll(() => server.stop());
afterEach(() => {
  for (const memory of open.splice(0)) memory.close();
  answer = GOOD;
  asked.length = 0;
});
/** A try that a busy machine makes late is made again, and counts; where none is answered there is no need to wait. */
const PATIENT = { timeoutMs: 2_500, withinMs: 6_000 };
const HASTY = { timeoutMs: 150, withinMs: 1_500 };
const make = (breakers = createBreakers(), times = PATIENT) => {
  const memory = new HttpMemory({ baseUrl: `${server.url}/v1`, apiKey: 'm0-key', ...times }, breakers);
  open.push(memory);
  return memory;
};
const { transcript } = requestOf(['user', 'I like jazz'], ['bot', 'So do I']);
const ask = (memory: HttpMemory, signal = new AbortController().signal) => memory.newMemories(transcript, 'alice', signal);

describe('the memory API', () => {
  it('is given the turns, and what it had not known counts', async () => {
    expect(await ask(make())).toBe(2);
    expect(asked).toMatchObject([
      {
        method: 'POST',
        path: '/v1/memories/',
        headers: { authorization: 'Token m0-key' },
        body: {
          user_id: 'alice',
          messages: [
            { role: 'user', content: 'I like jazz' },
            { role: 'assistant', content: 'So do I' },
          ],
        },
      },
    ]);
  });

  it('may answer with a list in results, and with more than a conversation can teach', async () => {
    answer = { status: 200, body: { results: Array.from({ length: 5_000 }, () => ({ event: 'ADD' })) } };
    expect(await ask(make())).toBe(100);
  });

  it.each(Object.entries({ ...scriptedFaults, 'an error 429': { status: 429, headers: { 'retry-after': '30' } } }))(
    'is done without when it is away: %s',
    async (_, fault) => {
      answer = fault;
      const startedAt = performance.now();
      expect(await ask(make(createBreakers(), HASTY))).toBe(0);
      expect(performance.now() - startedAt).toBeLessThan(4_000); // 1.5 s for all tries
    },
  );

  it('is not asked again and again while it is away, and has a breaker of its own', async () => {
    answer = { status: 500 };
    const breakers = createBreakers();
    const memory = make(breakers);
    for (let i = 0; i < 8; i += 1) await ask(memory);
    expect(breakers.stateOf('memory')).toBe('open');
    expect(breakers.stateOf('llm')).toBe('closed');
    const count = asked.length;
    expect(await ask(memory)).toBe(0);
    expect(asked).toHaveLength(count);
  });

  it('opens no breaker for the conversation of one user that it does not take', async () => {
    answer = { status: 422 };
    const breakers = createBreakers();
    const memory = make(breakers);
    for (let i = 0; i < 12; i += 1) await ask(memory);
    expect(breakers.stateOf('memory')).toBe('closed');
  });

  it('is waited for no longer than its caller does', async () => {
    answer = scriptedFaults['no answer'] ?? GOOD;
    const caller = new AbortController();
    const running = ask(make(), caller.signal);
    caller.abort(new Error('gone'));
    await expect(running).rejects.toThrow('gone');
  });
});
