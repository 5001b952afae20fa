import { beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { IndexTexts } from './index-texts.js';
import { type PendingTextId, TextIndexPort, TextsRefused } from './text-index.port.js';

/** Refuses batches with a text that is told to fail. */
class FailingTexts extends TextIndexPort {
  readonly waiting: PendingTextId[] = [];
  readonly indexed: PendingTextId[] = [];
  readonly parked: PendingTextId[] = [];
  readonly failures = new Map<PendingTextId, number>();
  older: PendingTextId[] = [];
  heldByOthers: PendingTextId[] = [];
  largestBatch = 4;
  isBad = (_id: PendingTextId): 'bad' | 'slow' | undefined => undefined;

  async due() {
    return this.waiting.filter((id) => !this.failures.has(id)).slice(0, this.largestBatch);
  }
  async failedBefore(limit: number) {
    return [...this.failures.keys()].filter((id) => !this.parked.includes(id)).slice(0, limit);
  }
  async index(ids: readonly PendingTextId[]) {
    const faults = ids.map((id) => this.isBad(id));
    if (faults.includes('bad')) throw new TextsRefused('SQLSTATE 54000', false, { cause: undefined });
    if (faults.includes('slow')) throw new TextsRefused('took too long', true, { cause: undefined });
    const mine = ids.filter((id) => !this.heldByOthers.includes(id));
    this.indexed.push(...mine);
    for (const id of mine) this.waiting.splice(this.waiting.indexOf(id), 1);
    return mine.length;
  }
  async setAside(id: PendingTextId, { isFinal }: { isFinal: boolean }) {
    const failures = isFinal ? 3 : (this.failures.get(id) ?? 0) + 1;
    this.failures.set(id, failures);
    if (failures >= 3) this.parked.push(id);
    return failures >= 3;
  }
  async enlistOlder() {
    const count = this.older.length;
    this.waiting.push(...this.older.splice(0));
    return count;
  }
  async depth() {
    return { pending: this.waiting.length, parked: this.parked.length, oldestAgeSeconds: 0 };
  }
}

describe('indexing texts', () => {
  let texts: FailingTexts;
  let indexTexts: IndexTexts;
  const { signal } = new AbortController();
  beforeEach(() => {
    texts = new FailingTexts();
    texts.waiting.push('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j');
    indexTexts = new IndexTexts(texts, createLogger('test', 'silent'));
  });

  it('leaves to another process the texts that it works on, instead of asking for them again and again', async () => {
    texts.heldByOthers = ['a', 'b', 'c', 'd'];
    await indexTexts.execute(signal);
    expect(texts.indexed).toEqual([]);
    texts.heldByOthers = ['b'];
    await indexTexts.execute(signal);
    expect(texts.waiting).toEqual(['b']);
  });

  it('goes on until nothing is left, the messages from before last', async () => {
    texts.older = ['x', 'y'];
    await indexTexts.execute(signal);
    expect(texts.indexed.join('')).toBe('abcdefghijxy');
  });

  it('parks a text that cannot be indexed and indexes its neighbours', async () => {
    texts.isBad = (id) => (id === 'c' ? 'bad' : undefined);
    await indexTexts.execute(signal);
    expect(texts.parked).toEqual(['c']);
    expect(texts.indexed.join('')).toBe('abdefghij');
  });

  it('gives a text that takes too long three chances, without holding up others', async () => {
    texts.isBad = (id) => (id === 'c' ? 'slow' : undefined);
    await indexTexts.execute(signal);
    expect(texts.indexed.join('')).toBe('abdefghij');
    expect(texts.parked).toEqual([]);
    await indexTexts.retry(signal);
    await indexTexts.retry(signal);
    expect(texts.parked).toEqual(['c']);
  });

  it('indexes a text that took too long only once', async () => {
    texts.isBad = (id) => (id === 'c' ? 'slow' : undefined);
    await indexTexts.execute(signal);
    texts.isBad = () => undefined;
    await indexTexts.retry(signal);
    expect(texts.indexed.join('')).toBe('abdefghijc');
  });

  it('takes it for the fault of Postgres when everything takes too long', async () => {
    texts.isBad = () => 'slow';
    await expect(indexTexts.execute(signal)).rejects.toThrow('took too long');
    expect(texts.parked).toEqual([]);
    expect(texts.failures.size).toBe(2);
  });

  it('ends after the batch that is under way', async () => {
    const stopping = new AbortController();
    texts.isBad = () => {
      stopping.abort();
      return undefined;
    };
    await indexTexts.execute(stopping.signal);
    expect(texts.indexed.join('')).toBe('abcd');
  });
});
