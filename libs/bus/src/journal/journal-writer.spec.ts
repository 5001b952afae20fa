import { expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import type { JournalPort } from './journal.port.js';
import { JournalWriter } from './journal-writer.js';

/** Microtasks that may lie between the end of a write and what it lets go on. */
const STEPS = 20;

it('an entry that comes in the moment in which a write ends is written, whichever moment that is', async () => {
  for (let steps = 0; steps < STEPS; steps += 1) {
    const written: number[] = [];
    const journal = { write: async ({ added }) => void written.push(...added.map(({ id }) => id)) } as Pick<JournalPort, 'write'>;
    const writer = new JournalWriter(journal as JournalPort, createLogger('test', 'silent'));
    const entry = (id: number) => ({ id, queue: 'q', message: { body: Buffer.from('{}') }, returns: 0 }) as never;
    await writer.add([entry(1)]);
    for (let step = 0; step < steps; step += 1) await Promise.resolve();
    const second = writer.add([entry(2)]);
    await expect(
      Promise.race([second, new Promise((_, reject) => setTimeout(reject, 500, new Error(`stuck after ${steps} steps`)))]),
    ).resolves.toBeUndefined();
    expect(written).toEqual([1, 2]);
  }
});

it('what was told before is flushed, although more comes during every write', async () => {
  const removed: number[] = [];
  let isBusy = true;
  const journal = {
    write: async (changes) => {
      removed.push(...changes.removed.map(({ id }) => id));
      await new Promise((resolve) => setImmediate(resolve));
      if (isBusy) writer.remove([{ queue: 'q', id: 2_000 + removed.length }]);
    },
  } as Pick<JournalPort, 'write'>;
  const writer = new JournalWriter(journal as JournalPort, createLogger('test', 'silent'));
  const told = Array.from({ length: 1_200 }, (_, id) => ({ queue: 'q', id }));
  writer.remove(told);
  await Promise.race([writer.flush(), new Promise((_, reject) => setTimeout(reject, 2_000, new Error('it waits for a pause')))]).finally(
    () => (isBusy = false),
  );
  expect(removed).toEqual(expect.arrayContaining(told.map(({ id }) => id)));
});

it('a flush fails with the write that it waits for', async () => {
  let failures = 1;
  const write = () => (failures-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve());
  const writer = new JournalWriter({ write } as unknown as JournalPort, createLogger('test', 'silent'));
  await writer.flush();
  writer.remove([{ queue: 'q', id: 1 }]);
  await expect(writer.flush()).rejects.toThrow('away');
  await writer.flush();
});
