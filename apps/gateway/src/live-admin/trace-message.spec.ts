import { expect, it } from 'vitest';
import { MessageTrace } from '#lib/contracts/admin-live';
import { MessageTracesPort, type Rows } from '#lib/database/traces/message-traces.port';
import type { Step } from '#lib/database/traces/step';
import { TraceMessage } from './trace-message.js';

const ID = '0199a2f0-8a30-7000-8000-000000000002';
const step = (at: number, what: string, facts: Partial<Step> = {}): Step => ({
  who: 'postgres',
  what,
  at,
  outcome: 'ok',
  isFailed: false,
  children: [],
  ...facts,
});

class KnownTraces extends MessageTracesPort {
  constructor(private readonly rows: Partial<Rows>) {
    super();
  }
  override async stepsOf(): Promise<Rows> {
    return { steps: [], missing: [], messageIds: [], about: [], ...this.rows };
  }
}

it('a way is a list in the order of time, what a consumer wrote under its name and by way of its queue', async () => {
  const steps = [
    step(2_000, 'indexed, version 1', { queue: 'embedding.messages', children: [step(2_500, 'again'), step(2_100, 'first')] }),
    step(1_000, 'stored as seq 1'),
    step(3_000, 'job score', { durationMs: 5 }),
  ];
  const trace = MessageTrace.parse(
    await new TraceMessage(new KnownTraces({ steps, missing: ['no signals yet'], messageIds: [ID] })).execute(ID),
  );
  expect(trace.steps.map(({ depth, who, what }) => [depth, who, what])).toEqual([
    [0, 'postgres', 'stored as seq 1'],
    [0, 'embedding', 'embedding.messages: indexed, version 1'],
    [1, 'postgres', 'first'],
    [1, 'postgres', 'again'],
    [0, 'postgres', 'job score'],
  ]);
  expect(trace.steps.map(({ durationMs }) => durationMs)).toEqual([null, null, null, null, 5]);
  expect(trace.messageIds).toEqual([ID]);
  expect(trace.missing[0]).toBe('no signals yet');
});

it('the id of an event is no message, and an unknown id is not found', async () => {
  const trace = await new TraceMessage(new KnownTraces({ steps: [step(1, 'conversation ended')] })).execute(ID);
  expect(trace.messageIds).toEqual([]);
  await expect(new TraceMessage(new KnownTraces({})).execute(ID)).rejects.toMatchObject({ code: 'not-found' });
});

it('what is missing is told as it is worded, be it with the id at its end', async () => {
  const missing = [`no vectors yet: message_chunks has no row of ${ID}`];
  const trace = await new TraceMessage(new KnownTraces({ steps: [step(1, 'stored')], missing, messageIds: [ID] })).execute(ID);
  expect([trace.messageIds, trace.missing[0]]).toEqual([[ID], missing[0]]);
});

it('of what is missing the last line says where more is told, however much there is', async () => {
  const missing = Array.from({ length: 200 }, (_, i) => `line ${i}`);
  const trace = MessageTrace.parse(await new TraceMessage(new KnownTraces({ steps: [step(1, 'stored')], missing })).execute(ID));
  expect(trace.missing).toHaveLength(100);
  expect(trace.missing.at(-1)).toContain('npm run parley -- trace');
});
