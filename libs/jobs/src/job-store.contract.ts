import { beforeEach, describe, expect, it } from 'vitest';
import { newEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { JobDraft, JobStorePort } from './job-store.port.js';

/** An empty job store, and the ids of the events that its outbox holds. */
export interface JobsSetup {
  readonly store: JobStorePort;
  readonly announced: () => Promise<string[]>;
}

/** What every job store promises. */
export function jobStoreContract(name: string, make: () => Promise<JobsSetup>): void {
  describe(`${name} as the store of jobs`, () => {
    let setup: JobsSetup;
    let store: JobStorePort;
    beforeEach(async () => {
      setup = await make();
      ({ store } = setup);
    });

    const erasureOf = (userId: string, draft: Partial<JobDraft> = {}) => {
      const id = newId();
      const event = newEvent('user.erased', { conversationId: null, userId, jobId: id });
      const about: JobDraft = { id, kind: 'erasure', ownerId: 'an-admin', subject: userId, ...draft };
      return { id, eventId: event.eventId, ask: () => store.enqueue(about, event, { requestId: 'a-request' }) };
    };
    const queued = async (userId = 'alice') => {
      const { job } = await erasureOf(userId).ask();
      return job.id;
    };
    const inAMinute = () => new Date(Date.now() + 60_000);

    it('stores a job together with the event that starts it', async () => {
      const { id, eventId, ask } = erasureOf('alice');
      const { job, isNew } = await ask();
      expect(isNew).toBe(true);
      expect(job).toMatchObject({
        id,
        kind: 'erasure',
        status: 'queued',
        ownerId: 'an-admin',
        subject: 'alice',
        result: null,
        error: null,
      });
      expect(await store.find(id)).toEqual(job);
      expect(await setup.announced()).toEqual([eventId]);
    });

    it('knows no job that was not asked for', async () => {
      expect(await store.find(newId())).toBeUndefined();
      expect(await store.start(newId())).toBe(false);
    });

    it('answers with the open job of the same subject, and announces it once', async () => {
      const first = erasureOf('alice');
      await first.ask();
      expect(await erasureOf('alice').ask()).toMatchObject({ isNew: false, job: { id: first.id, status: 'queued' } });
      await store.start(first.id);
      expect(await erasureOf('alice').ask()).toMatchObject({ isNew: false, job: { id: first.id, status: 'running' } });
      expect(await setup.announced()).toEqual([first.eventId]);
    });

    it('makes one job of 20 concurrent calls', async () => {
      const asked = await Promise.all(Array.from({ length: 20 }, () => erasureOf('alice').ask()));
      expect(asked.filter(({ isNew }) => isNew)).toHaveLength(1);
      expect(new Set(asked.map(({ job }) => job.id)).size).toBe(1);
      expect(await setup.announced()).toHaveLength(1);
    });

    it.each([
      ['of another subject', 'alice', 'bob'],
      ['without a subject', undefined, undefined],
    ])('keeps jobs %s apart', async (_what, one, other) => {
      await erasureOf('alice', { subject: one }).ask();
      expect(await erasureOf('alice', { subject: other }).ask()).toMatchObject({ isNew: true });
    });

    it('keeps jobs of another kind apart', async () => {
      await erasureOf('alice').ask();
      expect(await erasureOf('alice', { kind: 'score' }).ask()).toMatchObject({ isNew: true, job: { kind: 'score' } });
    });

    it.each([
      ['done', (id: string) => store.finish(id, {})],
      ['failed', (id: string) => store.fail(id, 'It was not possible.')],
    ])('starts anew after one that is %s', async (_what, end) => {
      const first = await queued();
      await end(first);
      const again = await erasureOf('alice').ask();
      expect(again.isNew).toBe(true);
      expect(again.job.id).not.toBe(first);
    });

    it('starts a job, and again when its process died', async () => {
      const id = await queued();
      expect(await store.start(id)).toBe(true);
      expect(await store.start(id)).toBe(true);
      expect(await store.find(id)).toMatchObject({ status: 'running', result: null });
    });

    it('keeps what came out so far', async () => {
      const id = await queued();
      await store.start(id);
      await store.progress(id, { messages: 10, chunks: { count: 1 } });
      await store.progress(id, { messages: 20, devices: 2 });
      expect(await store.find(id)).toMatchObject({ status: 'running', result: { messages: 20, chunks: { count: 1 }, devices: 2 } });
      await store.finish(id, { devices: 3 });
      expect(await store.find(id)).toMatchObject({
        status: 'done',
        subject: null,
        error: null,
        result: { messages: 20, chunks: { count: 1 }, devices: 3 },
      });
    });

    it('keeps what came out of a job that failed', async () => {
      const id = await queued();
      await store.progress(id, { messages: 10 });
      await store.fail(id, 'Chroma was away for too long.');
      expect(await store.find(id)).toMatchObject({ status: 'failed', error: 'Chroma was away for too long.', result: { messages: 10 } });
    });

    it('leaves a job as it ended', async () => {
      const id = await queued();
      await store.finish(id, { messages: 1 });
      const ended = await store.find(id);
      await store.fail(id, 'too late');
      await store.finish(id, { messages: 2 });
      await store.progress(id, { messages: 3 });
      expect(await store.start(id)).toBe(false);
      expect(await store.find(id)).toEqual(ended);
    });

    it('removes jobs that ended long ago, and none that is open', async () => {
      const [done, failed, open] = [await queued('alice'), await queued('bob'), await queued('carol')];
      await store.finish(done, {});
      await store.fail(failed, 'It was not possible.');
      expect(await store.removeEndedBefore(new Date(Date.now() - 60_000))).toBe(0);
      expect(await store.removeEndedBefore(inAMinute())).toBe(2);
      expect([await store.find(done), await store.find(failed)]).toEqual([undefined, undefined]);
      expect(await store.find(open)).toMatchObject({ status: 'queued' });
    });

    it('fails open jobs of a kind that nothing was said of for long, so that another one can be asked for', async () => {
      const score = () => erasureOf('alice', { kind: 'score' });
      const [waiting, erasure, ended] = [(await score().ask()).job.id, await queued(), await queued('bob')];
      await store.finish(ended, {});
      const fail = (time: Date) => store.failUntouchedSince(time, 'score', 'It took too long.');
      expect(await fail(new Date(Date.now() - 60_000))).toBe(0);
      expect((await score().ask()).job.id).toBe(waiting);
      expect([await fail(inAMinute()), await fail(inAMinute())]).toEqual([1, 0]);
      expect(await store.find(waiting)).toMatchObject({ status: 'failed', subject: null, error: 'It took too long.' });
      expect([await store.find(erasure), await store.find(ended)]).toMatchObject([{ status: 'queued' }, { status: 'done' }]);
      expect((await score().ask()).isNew).toBe(true);
    });
  });
}
