import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Postpone, SomeFailed } from '#lib/bus/outcome';
import { newEvent, type PushDue } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { PushProvider } from '#lib/contracts/push';
import { DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import { MemoryPushStore } from '../adapters/push/memory-push-store.js';
import { type Push, type PushOutcome, PushPort } from './push.port.js';
import { type PushContent, SendPushes } from './send-pushes.js';

/** Notes what it is given, and answers as it is told to. */
class ScriptedPush extends PushPort {
  readonly pushes: Push[] = [];
  answer: (push: Push) => PushOutcome | Error | Promise<PushOutcome> = () => ({ kind: 'sent' });

  async send(push: Push): Promise<PushOutcome> {
    this.pushes.push(push);
    const answer = await this.answer(push);
    if (answer instanceof Error) throw answer;
    return answer;
  }

  shown(): string[] {
    return this.pushes.map(({ token, title, body }) => `${token}: ${title ?? '-'}: ${body}`);
  }
}

describe('SendPushes', () => {
  let store: MemoryPushStore;
  let fcm: ScriptedPush;
  let onesignal: ScriptedPush;
  let send: SendPushes;
  let conversationId: string;
  const sending = (content: PushContent) => new SendPushes(store, { fcm, onesignal }, content);
  beforeEach(() => {
    store = new MemoryPushStore();
    [fcm, onesignal] = [new ScriptedPush(), new ScriptedPush()];
    send = sending('full');
    conversationId = started({ alice: 0, bob: 0 });
    device('bob', 'phone');
  });

  const started = (readSeqs: Record<string, number>, title: string | null = null) => {
    const id = newId();
    store.conversations.set(id, { title, readSeqs: new Map(Object.entries(readSeqs)), messages: [] });
    return id;
  };
  const device = (userId: string, id: string, provider: PushProvider = 'fcm') =>
    store.devices.set(userId, (store.devices.get(userId) ?? new Map()).set(id, { provider, token: `${userId}-${id}` }));
  const conversation = (id = conversationId) => store.conversations.get(id) ?? expect.unreachable('it was started');
  const say = (content: string, { senderId = 'alice', to = conversationId } = {}) =>
    conversation(to).messages.push({ id: newId(), senderId, content, isDeleted: false });
  const due = (seq: number, { userId = 'bob', deviceId = 'phone', to = conversationId, occurredAt = new Date() } = {}): PushDue =>
    newEvent('push.due', { conversationId: to, messageId: newId(), seq, userId, deviceId }, { occurredAt });
  const failuresOf = async (events: readonly PushDue[]) => {
    const error = await send.handle(events).then(
      () => new SomeFailed(new Map()),
      (failure: unknown) => failure,
    );
    if (!(error instanceof SomeFailed)) throw error;
    return events.map(({ eventId }) => error.errors.get(eventId));
  };
  const counted = async (outcome: string, work: () => Promise<unknown>) => {
    const count = async () =>
      (await metrics.pushes.get()).values.filter(({ labels }) => labels['outcome'] === outcome).reduce((sum, { value }) => sum + value, 0);
    const before = await count();
    await work();
    return (await count()) - before;
  };

  it('shows the beginning of the message, and the conversation or its sender', async () => {
    const titled = started({ alice: 0, bob: 0 }, 'Cà phê');
    say('x'.repeat(200));
    say('Xin chào', { to: titled });
    await send.handle([due(1), due(1, { to: titled })]);
    expect(fcm.shown()).toEqual([`bob-phone: alice: ${'x'.repeat(120)}…`, 'bob-phone: Cà phê: Xin chào']);
    expect(fcm.pushes[1]).toMatchObject({
      conversationId: titled,
      messageId: conversation(titled).messages[0]?.id,
      seq: 1,
      ttlSeconds: 3_600,
    });
  });

  it('shows neither text nor names with PUSH_CONTENT=none', async () => {
    say('my secret');
    send = sending('none');
    await send.handle([due(1)]);
    expect(fcm.shown()).toEqual(['bob-phone: -: New message']);
    expect(JSON.stringify(fcm.pushes)).not.toMatch(/secret|alice/);
  });

  it('one push shows the newest of a burst, also of messages whose event is not here yet', async () => {
    for (const content of ['one', 'two', 'three']) say(content);
    expect(await counted('superseded', () => send.handle([due(1), due(2)]))).toBe(1);
    expect(await counted('superseded', () => send.handle([due(3)]))).toBe(1);
    expect(fcm.shown()).toEqual(['bob-phone: alice: three']);
  });

  it('a conversation that goes on gets a push after a pause, not one for each message', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      say('one');
      await send.handle([due(1)]);
      say('two');
      const late = due(2);
      expect(await failuresOf([late])).toEqual([expect.any(Postpone)]);
      say('three');
      vi.advanceTimersByTime(8_000);
      await send.handle([late, due(3)]);
      expect(fcm.shown()).toEqual(['bob-phone: alice: one', 'bob-phone: alice: three']);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each<[string, string, () => PushDue]>([
    [
      'was read meanwhile',
      'read',
      () => {
        conversation().readSeqs.set('bob', 1);
        return due(1);
      },
    ],
    [
      'is in a conversation that the user left',
      'no-member',
      () => {
        conversation().readSeqs.delete('bob');
        return due(1);
      },
    ],
    [
      'was deleted',
      'deleted',
      () => {
        for (const message of conversation().messages) message.isDeleted = true;
        return due(1);
      },
    ],
    [
      'is for a device that was removed',
      'no-device',
      () => {
        store.devices.delete('bob');
        return due(1);
      },
    ],
    ['is older than an hour', 'expired', () => due(1, { occurredAt: new Date(Date.now() - 3_600_001) })],
  ])('sends nothing that %s', async (_, outcome, prepare) => {
    say('one');
    const event = prepare();
    expect(await counted(outcome, () => send.handle([event]))).toBe(1);
    expect(fcm.pushes).toEqual([]);
  });

  it('removes a device that is gone, unless it has another token by now', async () => {
    device('carol', 'phone');
    conversation().readSeqs.set('carol', 0);
    say('one');
    fcm.answer = ({ token }) => {
      if (token === 'carol-phone') store.devices.get('carol')?.set('phone', { provider: 'fcm', token: 'fresh' });
      return { kind: 'unregistered' };
    };
    expect(await counted('unregistered', () => send.handle([due(1), due(1, { userId: 'carol' })]))).toBe(2);
    expect([store.devices.get('bob')?.size, store.devices.get('carol')?.get('phone')?.token]).toEqual([0, 'fresh']);
  });

  it('a provider that is away costs no attempt, and holds up no push of the other', async () => {
    device('bob', 'tablet', 'onesignal');
    say('one');
    fcm.answer = () => new DependencyError('fcm', 'send', 'timeout');
    const events = [due(1), due(1, { deviceId: 'tablet' })];
    expect(await failuresOf(events)).toEqual([expect.objectContaining({ name: 'Postpone', delayMs: 30_000 }), undefined]);
    expect(onesignal.shown()).toEqual(['bob-tablet: alice: one']);
    fcm.answer = () => ({ kind: 'sent' });
    expect(await failuresOf(events)).toEqual([undefined, undefined]);
    expect([fcm.pushes.length, onesignal.pushes.length]).toEqual([2, 1]);
  });

  it('a push that is refused fails with its reason, and others are not sent again for it', async () => {
    device('bob', 'tablet');
    say('one');
    fcm.answer = ({ token }) => (token === 'bob-tablet' ? { kind: 'refused', reason: 'fcm: INVALID_ARGUMENT message' } : { kind: 'sent' });
    const events = [due(1), due(1, { deviceId: 'tablet' })];
    expect(await failuresOf(events)).toEqual([
      undefined,
      expect.objectContaining({ name: 'PushRefused', message: 'fcm: INVALID_ARGUMENT message' }),
    ]);
    expect(fcm.pushes).toHaveLength(2);
  });

  it('a user whose devices are refused makes one dead letter, whatever the number of its messages and devices', async () => {
    device('bob', 'tablet');
    say('one');
    fcm.answer = () => ({ kind: 'refused', reason: 'fcm: SENDER_ID_MISMATCH' });
    const [first, ...others] = [due(1), due(1, { deviceId: 'tablet' }), due(1), due(1, { deviceId: 'tablet' })];
    const refusal = expect.objectContaining({ name: 'PushRefused' });
    expect(await failuresOf([first])).toEqual([refusal]);
    for (const other of others) expect(await counted('refused', () => failuresOf([other]))).toBe(1);
    expect((await Promise.all(others.map((other) => failuresOf([other])))).flat()).toEqual([undefined, undefined, undefined]);
    expect(await failuresOf([first])).toEqual([refusal]);
  });

  it('a push that nothing was sent for is due again', async () => {
    say('one');
    fcm.answer = () => ({ kind: 'refused', reason: 'x' });
    await failuresOf([due(1)]);
    fcm.answer = () => ({ kind: 'sent' });
    expect(await counted('sent', () => send.handle([due(1)]))).toBe(1);
  });

  it('an outage of Postgres is that of the whole batch', async () => {
    const outage = new DependencyError('postgres', 'work', 'unavailable');
    vi.spyOn(store, 'statesOf').mockRejectedValue(outage);
    await expect(send.handle([due(1)])).rejects.toBe(outage);
  });
});
