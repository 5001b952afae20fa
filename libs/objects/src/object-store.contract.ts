import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStorePort } from './object-store.port.js';

/** An object store, and a way to empty it. */
export interface ObjectsSetup {
  readonly store: ObjectStorePort;
  readonly clear: () => Promise<void>;
  readonly close?: () => Promise<void>;
}

/** What every object store promises. */
export function objectStoreContract(name: string, make: () => Promise<ObjectsSetup>): void {
  describe(`${name} as an object store`, () => {
    let setup: ObjectsSetup;
    let store: ObjectStorePort;
    beforeAll(async () => {
      setup = await make();
      ({ store } = setup);
    });
    beforeEach(() => setup.clear());
    afterAll(async () => {
      store.close();
      await setup.close?.();
    });

    const about = { contentType: 'application/x-ndjson', contentEncoding: 'gzip' };
    const put = (key: string, bytes: string | Uint8Array = key) => store.put(key, Buffer.from(bytes), about);

    it('gives back what was put, byte for byte', async () => {
      const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256));
      await put('logs/a/1.ndjson.gz', bytes);
      expect((await store.get('logs/a/1.ndjson.gz', 100_000))?.equals(bytes)).toBe(true);
      await put('empty', '');
      expect((await store.get('empty', 1))?.length).toBe(0);
    });

    it('has the newest bytes of a key, and none of an unknown one', async () => {
      await put('a', 'old and longer');
      await put('a', 'new');
      expect((await store.get('a', 100))?.toString()).toBe('new');
      expect(await store.get('b', 100)).toBeUndefined();
      expect(await store.get('a/b', 100)).toBeUndefined();
    });

    it('refuses an object that is longer than wanted', async () => {
      await put('a', 'x'.repeat(1_001));
      await expect(store.get('a', 1_000)).rejects.toBeInstanceOf(RangeError);
      expect((await store.get('a', 1_001))?.length).toBe(1_001);
    });

    it('lists keys by their beginning, in order, page by page', async () => {
      for (const key of ['logs/a/2', 'logs/a/1', 'logs/a-b/1', 'logs/b/1', 'logs/a.x', 'other']) await put(key);
      expect(await store.keys('logs/a', 10)).toEqual(['logs/a-b/1', 'logs/a.x', 'logs/a/1', 'logs/a/2']);
      expect(await store.keys('logs/', 2)).toEqual(['logs/a-b/1', 'logs/a.x']);
      expect(await store.keys('logs/', 2, 'logs/a.x')).toEqual(['logs/a/1', 'logs/a/2']);
      expect(await store.keys('', 10, 'logs/a/2')).toEqual(['logs/b/1', 'other']);
      expect(await store.keys('nothing', 10)).toEqual([]);
    });

    it('removes many at once, and what is not there without a word', async () => {
      for (const key of ['logs/a/1', 'logs/a/2', 'b']) await put(key);
      expect(await store.remove(['logs/a/1', 'logs/a/2'])).toBe(2);
      await store.remove(['logs/a/1', 'never/there']);
      expect(await store.remove([])).toBe(0);
      expect(await store.keys('', 10)).toEqual(['b']);
    });

    it.each(['', '/', '/a', 'a/', 'a//b', '../a', 'a/../b', 'a/..', './a', '.a', 'A', 'a b', 'a\\b', 'ä', 'a\0', `a${'x'.repeat(512)}`])(
      'refuses the key %j',
      async (key) => {
        await expect(put(key)).rejects.toBeInstanceOf(RangeError);
        await expect(store.get(key, 1)).rejects.toBeInstanceOf(RangeError);
        await expect(store.remove([key])).rejects.toBeInstanceOf(RangeError);
        expect(await store.keys('', 10)).toEqual([]);
      },
    );

    it('takes the same key many times at once, and has one of them whole', async () => {
      const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(50_000));
      await Promise.all(texts.map((text) => put('logs/same', text)));
      expect(texts).toContain((await store.get('logs/same', 50_000))?.toString());
      expect(await store.keys('', 10)).toEqual(['logs/same']);
    });
  });
}
