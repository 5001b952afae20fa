import { expect, it } from 'vitest';
import { newEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryJobStore } from '#lib/jobs/adapters/memory-job-store';
import { MemoryMessageSignals } from '#lib/scores/signals/adapters/memory-message-signals';
import { MemoryCurrentMessages } from '../adapters/memory-current-messages.js';
import { MarkFailed } from './mark-failed.js';

it('the dead letter of a calculation fails its job, and no job of another end or kind', async () => {
  const jobs = new MemoryJobStore(new MemoryOutbox());
  const markFailed = new MarkFailed(new MemoryCurrentMessages(), new MemoryMessageSignals(), jobs);
  const [jobId, endId] = [newId(), newId()];
  const calculation = (facts: { jobId: string; endId: string }) =>
    newEvent('score.calculate', { ...facts, conversationId: 'robot-7', userId: 'alice' });
  await jobs.enqueue({ id: jobId, kind: 'score', ownerId: 'alice', subject: endId }, calculation({ jobId, endId }));
  const erasureId = newId();
  const erasure = newEvent('user.erased', { conversationId: null, userId: 'bob', jobId: erasureId });
  await jobs.enqueue({ id: erasureId, kind: 'erasure', ownerId: 'an-admin', subject: 'bob' }, erasure);

  await markFailed.mark(calculation({ jobId: erasureId, endId }));
  await markFailed.mark(calculation({ jobId, endId: newId() }));
  expect([await jobs.find(erasureId), await jobs.find(jobId)]).toMatchObject([{ status: 'queued' }, { status: 'queued' }]);

  await markFailed.mark(calculation({ jobId, endId }));
  expect(await jobs.find(jobId)).toMatchObject({ status: 'failed', error: expect.any(String) });
});
