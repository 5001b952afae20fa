import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { descendantsOf } from '#lib/devstack/process/process-identity';
import { processes } from '#lib/devstack/services';
import { IMAGE_USER, whyNotContained } from '#lib/testing/contained';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

const whyNot = whyNotContained();

describe.skipIf(whyNot !== undefined)(
  `Parley with the rights of its image, on a read-only root${whyNot === undefined ? '' : ` (${whyNot})`}`,
  () => {
    let parley: RunningParley;
    beforeAll(async () => {
      parley = await startParley({ stack: inject('stack'), contained: true });
    });
    afterAll(() => parley?.stop());

    it.each(processes.services.map(({ app }) => app))(
      'runs %s as a user without rights, where only the volume of objects can be written',
      (app) => {
        const { pid = 0 } = parley[app];
        const all = [pid, ...descendantsOf(pid)];
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        expect(status).toMatch(new RegExp(`^Uid:\\t${IMAGE_USER}\\t${IMAGE_USER}\\t`, 'm'));
        expect(status).toMatch(/^CapEff:\t0+$/m);
        expect(status).toMatch(/^NoNewPrivs:\t1$/m);
        expect(readFileSync(`/proc/${all.at(-1)}/mountinfo`, 'utf8')).toMatch(/ \/ \/ ro,/);
      },
    );

    it('stores, finds, delivers, keeps documents, and writes the log of an ended conversation', async () => {
      const [alice, bob] = await Promise.all([parley.client('alice'), parley.client('bob')]);
      const { id: conversationId } = await alice.createConversation({ memberIds: ['bob'] });
      const { id } = await alice.send(conversationId, 'The zeppelin lands on a read-only roof');
      const upload = await bob.request('POST', '/v1/documents', { conversationId, title: 'Roof', content: 'A roof for zeppelins.' });
      expect(upload.status).toBe(202);
      const ended = await alice.request('POST', '/v1/conversations/end', {
        conversationId: 'robot-1',
        userId: 'alice',
        startTime: '2026-01-31T09:00:00Z',
        endTime: '2026-01-31T09:30:00Z',
        conversationLog: [{ role: 'user', content: 'Good bye' }],
      });
      expect(ended.status).toBe(202);
      const done = { embedding: 'done', delivery: 'done', scoring: 'done' };
      await eventually(async () => expect((await alice.message(id)).pipeline).toMatchObject(done), {
        timeoutMs: 30_000,
        what: 'the pipeline',
      });
      const { eventId } = ended.body as { eventId: string };
      const objects = join(dirname(parley.scoring.logFile), 'objects');
      await eventually(
        () => {
          const log = readdirSync(objects, { recursive: true, encoding: 'utf8' }).find((file) => file.includes(eventId));
          expect(statSync(join(objects, log ?? 'no log yet')).uid).toBe(IMAGE_USER);
        },
        { timeoutMs: 30_000, what: 'the log is in the volume' },
      );
    });
  },
);
