import { describe, expect, it, vi } from 'vitest';
import { Postpone } from '#lib/bus/outcome';
import { newEvent } from '#lib/contracts/events';
import { derivedId, newId } from '#lib/contracts/ids';
import { DependencyError } from '#lib/resilience/call/errors';
import { MemoryFriendshipStore } from '#lib/scores/friendship/adapters/memory-friendship-store';
import { eventually } from '#lib/testing/eventually';
import { CallerOverShare } from '../analysis/caller-over-share.js';
import { memoryScoreStores, scoredWorld } from './scored-world.contract.js';

const out = () => new DependencyError('llm', 'chat', 'unavailable');

describe('the end of a conversation', () => {
  it('changes the score of its user once, and tells the same each time its event comes', async () => {
    const { scoring, ended, endedEvent, friendship, model } = scoredWorld();
    const end = await ended();
    const first = await scoring.handle(endedEvent(end));
    const facts = { endId: end.id, userId: 'alice', scoreChange: 12, score: 12, level: 'stranger', degraded: false, version: 1 };
    expect(first).toMatchObject([{ type: 'score.updated', conversationId: end.conversationId, data: facts }]);
    expect(await scoring.handle(endedEvent(end))).toEqual(first);
    expect(model.calls).toBe(2);
    expect(await friendship.history('alice', { before: undefined, limit: 10 })).toMatchObject([
      { scoreChange: 12, reasons: ['+4: 4 turns of the user', '+4: 2 questions', '+4: emotion happy'], provenance: { model: 'decided' } },
    ]);
  });

  it('leaves the score as it is when its analysis fails, says so, and is scored again later', async () => {
    const { scoring, rescoring, ended, endedEvent, friendship, model } = scoredWorld();
    const end = await ended();
    model.failure = out();
    const events = await scoring.handle(endedEvent(end));
    expect(events).toMatchObject([
      { type: 'score.updated', data: { scoreChange: 0, score: 0, degraded: true, version: 1 } },
      { type: 'score.recalculate', data: { endId: end.id, reason: 'degraded' } },
    ]);
    expect(await scoring.handle(endedEvent(end))).toMatchObject(events.map(({ eventId }) => ({ eventId })));
    expect(await friendship.history('alice', { before: undefined, limit: 10 })).toEqual([]);
    const recalculate = events[1];
    if (recalculate?.type !== 'score.recalculate') throw new Error('it is not scored again');
    await expect(rescoring.handle(recalculate)).rejects.toMatchObject({ dependency: 'llm' });
    model.failure = undefined;
    expect(await rescoring.handle(recalculate)).toMatchObject([{ data: { scoreChange: 12, degraded: false, version: 2 } }]);
    expect((await friendship.find('alice')).degradedEnds).toEqual([]);
  });

  it('stays degraded, without another try before the night, when the model cannot make sense of it', async () => {
    const { rescoring, ended, friendship, model } = scoredWorld();
    const { id: endId, conversationId, userId } = await ended();
    model.failure = new DependencyError('llm', 'chat', 'unavailable', { isAttributable: true });
    const recalculate = newEvent('score.recalculate', { conversationId, userId, endId, reason: 'degraded' });
    expect(await rescoring.handle(recalculate)).toMatchObject([{ type: 'score.updated', data: { degraded: true, scoreChange: 0 } }]);
    expect((await friendship.find('alice')).degradedEnds).toEqual([endId]);
  });

  it('that is gone, or whose words are, changes nothing', async () => {
    const { scoring, rescoring, ended, endedEvent, transcripts, friendship } = scoredWorld();
    const end = await ended();
    transcripts.gone.add(end.id);
    expect(await scoring.handle(endedEvent(end))).toEqual([]);
    expect(await scoring.handle(endedEvent({ ...end, id: newId() }))).toEqual([]);
    const { conversationId, userId } = end;
    const recalculate = newEvent('score.recalculate', { conversationId, userId, endId: end.id, reason: 'operator' });
    expect(await rescoring.handle(recalculate)).toEqual([]);
    expect((await friendship.find('alice')).version).toBe(0);
  });
});

describe('a user that is erased', () => {
  const recalculateOf = ({ id: endId, conversationId, userId }: { id: string; conversationId: string; userId: string }) =>
    newEvent('score.recalculate', { conversationId, userId, endId, reason: 'operator' });

  it.each([undefined, out()])('during an analysis has no score after it (failure of the model: %s)', async (failure) => {
    const { scoring, rescoring, ended, endedEvent, ends, friendship, model, asked, jobs } = scoredWorld();
    const end = await ended();
    const job = await asked(end);
    const analysis = Promise.withResolvers<void>();
    model.held = analysis.promise;
    model.failure = failure;
    const running = [scoring.handle(endedEvent(end)), scoring.handle(job), ...(failure ? [] : [rescoring.handle(recalculateOf(end))])];
    await eventually(() => expect(model.calls).toBe(2 * running.length));
    await ends.removeOf('alice', 10);
    analysis.resolve();
    expect(await Promise.all(running)).toEqual(running.map(() => []));
    expect((await friendship.find('alice')).version).toBe(0);
    expect(await jobs.find(job.data.jobId)).toMatchObject({ status: 'failed', error: 'This conversation is not there any more.' });
  });

  it('is not scored by events that come again, and they are no failure', async () => {
    const { scoring, rescoring, ended, endedEvent, ends, friendship, model } = scoredWorld();
    const end = await ended();
    await ends.removeOf('alice', 10);
    const nightly = newEvent('score.recalculate', { conversationId: null, userId: 'alice', reason: 'nightly' });
    expect(await scoring.handle(endedEvent(end))).toEqual([]);
    expect(await rescoring.handle(recalculateOf(end))).toEqual([]);
    expect(await rescoring.handle(nightly)).toEqual([]);
    expect([model.calls, (await friendship.find('alice')).version]).toEqual([0, 0]);
  });
});

describe('an outage of the object store', () => {
  it.each(['timeout', 'unavailable', 'open'] as const)('postpones an end whose log is there, and is no attempt (%s)', async (kind) => {
    const { scoring, rescoring, answering, ended, endedEvent, asked, transcripts, jobs, friendship } = scoredWorld();
    const end = await ended();
    const job = await asked(end);
    const { id: endId, conversationId, userId } = end;
    const recalculate = newEvent('score.recalculate', { conversationId, userId, endId, reason: 'nightly' });
    transcripts.failure = new DependencyError('objectStore', 'read', kind);
    for (const run of [() => scoring.handle(endedEvent(end)), () => scoring.handle(job), () => rescoring.handle(recalculate)])
      await expect(run()).rejects.toBeInstanceOf(Postpone);
    expect(await jobs.find(job.data.jobId)).toMatchObject({ status: 'running' });
    // Its caller waits, and has a fallback.
    await expect(answering.answer({ conversationId, userId })).rejects.toBe(transcripts.failure);
    transcripts.failure = undefined;
    expect(await scoring.handle(job)).toMatchObject([{ data: { scoreChange: 12 } }]);
    expect((await friendship.find(userId)).version).toBe(1);
  });

  it('leaves an outage of Postgres to the queue, which pauses with it', async () => {
    const { scoring, ended, endedEvent, transcripts } = scoredWorld();
    transcripts.failure = new DependencyError('postgres', 'work', 'unavailable');
    await expect(scoring.handle(endedEvent(await ended()))).rejects.toBe(transcripts.failure);
  });
});

describe('a job', () => {
  it('ends with the score, also of an end that has it already', async () => {
    const { scoring, ended, endedEvent, asked, jobs } = scoredWorld();
    const end = await ended();
    const first = await asked(end);
    const told = await scoring.handle(first);
    expect(await jobs.find(first.data.jobId)).toMatchObject({
      status: 'done',
      result: { conversationId: end.conversationId, scoreChange: 12, userQuestions: 2, emotion: 'happy', degraded: false },
    });
    expect(await scoring.handle(endedEvent(end))).toEqual(told);
    const second = await asked(end);
    expect(await scoring.handle(second)).toEqual(told);
    expect(await jobs.find(second.data.jobId)).toMatchObject({ status: 'done', result: { scoreChange: 12 } });
  });

  it('ends as degraded when the model is out, and fails when the conversation is gone', async () => {
    const { scoring, ended, asked, jobs, model, transcripts } = scoredWorld();
    model.failure = out();
    const degraded = await asked(await ended());
    await scoring.handle(degraded);
    expect(await jobs.find(degraded.data.jobId)).toMatchObject({ status: 'done', result: { scoreChange: 0, degraded: true } });
    const end = await ended();
    transcripts.gone.add(end.id);
    const gone = await asked(end);
    expect(await scoring.handle(gone)).toEqual([]);
    expect(await jobs.find(gone.data.jobId)).toMatchObject({ status: 'failed', error: 'This conversation is not there any more.' });
  });
});

describe('a user who is scored again', () => {
  it('has one event for each end that is due: without a score, or of Parley and of the last days', async () => {
    const { rescoring, scoring, ended, endedEvent } = scoredWorld();
    const [scored, due, other] = [await ended(), await ended(), await ended('bob')];
    await scoring.handle(endedEvent(scored));
    const nightly = newEvent('score.recalculate', { conversationId: null, userId: 'alice', reason: 'nightly' });
    const events = await rescoring.handle(nightly);
    expect(events).toMatchObject([{ type: 'score.recalculate', data: { endId: due.id, userId: 'alice', reason: 'nightly' } }]);
    expect(await rescoring.handle(nightly)).toMatchObject(events.map(({ eventId }) => ({ eventId })));
    expect(JSON.stringify(events)).not.toContain(other.id);
  });

  it('has every end that is due named within some nights, however many older ones can never be scored', async () => {
    const { rescoring, ended } = scoredWorld();
    for (let i = 0; i < 600; i += 1) await ended(); // their words are gone: they stay due
    const newest = await ended();
    const namedAt = async (night: number) => {
      const events = await rescoring.handle(
        newEvent(
          'score.recalculate',
          { conversationId: null, userId: 'alice', reason: 'nightly' },
          { eventId: derivedId('night', `${night}`) },
        ),
      );
      expect(events).toHaveLength(500);
      return events.map(({ data }) => data.endId);
    };
    const nights = await Promise.all([1, 2, 3, 4].map(namedAt));
    expect(nights[0]).toEqual(await namedAt(1));
    expect(nights.some((ends) => ends.includes(newest.id))).toBe(true);
    expect(new Set(nights.flat()).size).toBeGreaterThan(590);
  });

  it('keeps a score whose transcript is the same, and changes one that was edited by the difference', async () => {
    const { rescoring, scoring, ended, endedEvent, transcripts, friendship, model } = scoredWorld();
    const end = await ended();
    const first = await scoring.handle(endedEvent(end));
    const { conversationId, userId, id: endId } = end;
    const again = () => rescoring.handle(newEvent('score.recalculate', { conversationId, userId, endId, reason: 'operator' }));
    expect(await again()).toEqual(first);
    transcripts.edit(endId);
    expect(await again()).toMatchObject([{ data: { scoreChange: 2, score: 14, version: 2 } }]);
    await again();
    expect(model.calls).toBe(4);
    expect(await friendship.history('alice', { before: undefined, limit: 10 })).toMatchObject([{ revision: 2 }, { revision: 1 }]);
  });
});

describe('an end that is scored again', () => {
  const recalculate = ({ id: endId, conversationId, userId }: { id: string; conversationId: string; userId: string }) =>
    newEvent('score.recalculate', { conversationId, userId, endId, reason: 'nightly' });

  it('tells its user nothing when nothing changed and its process cannot have died on the way', async () => {
    const friendship = new MemoryFriendshipStore();
    const { rescoring, scoring, ended, endedEvent } = scoredWorld({ ...memoryScoreStores(), friendship });
    const end = await ended();
    await scoring.handle(endedEvent(end));
    expect(await rescoring.handle(recalculate(end))).toMatchObject([{ type: 'score.updated' }]);
    friendship.changes = friendship.changes.map((change) => ({ ...change, appliedAt: new Date(Date.now() - 2 * 3_600_000) }));
    expect(await rescoring.handle(recalculate(end))).toEqual([]);
  });

  it('reads no transcript while the share of its user is used up, and does not hold up others', async () => {
    const { rescoring, ended, transcripts, model } = scoredWorld();
    const [one, other, ofBob] = [await ended(), await ended(), await ended('bob')];
    model.failure = new CallerOverShare(60_000);
    await expect(rescoring.handle(recalculate(one))).rejects.toBeInstanceOf(Postpone);
    const read = vi.spyOn(transcripts, 'of');
    await expect(rescoring.handle(recalculate(other))).rejects.toMatchObject({ name: 'Postpone', delayMs: expect.any(Number) });
    expect(read).not.toHaveBeenCalled();
    model.failure = undefined;
    expect(await rescoring.handle(recalculate(ofBob))).toMatchObject([{ data: { userId: 'bob', scoreChange: 12 } }]);
  });

  it('reads no transcript of a user over its share, however many others are', async () => {
    const { rescoring, ended, transcripts, model } = scoredWorld();
    model.failure = new CallerOverShare(60_000);
    for (let i = 0; i <= 1_000; i += 1) await rescoring.handle(recalculate(await ended(`user-${i}`))).catch(() => undefined);
    const last = await ended('user-1000');
    const read = vi.spyOn(transcripts, 'of');
    await expect(rescoring.handle(recalculate(last))).rejects.toBeInstanceOf(Postpone);
    expect(read).not.toHaveBeenCalled();
  });

  it('is scored once the share of its user has room again', async () => {
    const { rescoring, ended, model } = scoredWorld();
    const end = await ended();
    model.failure = new CallerOverShare(1);
    await expect(rescoring.handle(recalculate(end))).rejects.toBeInstanceOf(Postpone);
    model.failure = undefined;
    await eventually(async () => expect(await rescoring.handle(recalculate(end))).toMatchObject([{ data: { scoreChange: 12 } }]));
  });
});

describe('a question about a score', () => {
  it('is answered with what an end would be worth, and nothing is written', async () => {
    const { answering, ended, friendship } = scoredWorld();
    const { conversationId, userId } = await ended();
    expect(await answering.answer({ conversationId, userId })).toMatchObject({
      score: { conversationId, scoreChange: 12, degraded: false },
    });
    expect(await answering.answer({ conversationId: 'unknown', userId })).toEqual({ score: null });
    expect((await friendship.find(userId)).version).toBe(0);
  });
});
