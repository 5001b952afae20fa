import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Agent, CatalogueRows, PromptTemplate } from './catalogue.js';
import type { CataloguePort } from './catalogue.port.js';

/** A store of the catalogue, and what an operator does to it. */
export interface CatalogueSetup {
  readonly store: CataloguePort;
  /** Replaces everything in one change. */
  readonly change: (rows: CatalogueRows) => Promise<void>;
  readonly close?: () => Promise<void>;
}

const agent: Agent = {
  id: 'song-swap',
  type: 'talk',
  category: 'culture',
  guide: 'share',
  weight: 1.5,
  levels: ['acquaintance', 'friend'],
  isBackup: false,
};
const template: PromptTemplate = { id: 'topic-1', kind: 'topic', key: 'culture', topic: 'music', language: 'vi', text: 'Bài hát nào?' };

/** What every store of the catalogue promises. */
export function catalogueContract(name: string, make: () => Promise<CatalogueSetup>): void {
  describe(`${name} as the store of the catalogue`, () => {
    let setup: CatalogueSetup;
    beforeAll(async () => {
      setup = await make();
    });
    beforeEach(() => setup.change({ agents: [], templates: [] }));
    afterAll(() => setup.close?.());

    it('gives the rows as operators wrote them', async () => {
      await setup.change({ agents: [agent], templates: [template] });
      expect(await setup.store.rows()).toEqual({ agents: [agent], templates: [template] });
    });

    it('has the same version until something changes, and another one after each change', async () => {
      const versions: string[] = [];
      for (let i = 0; i < 3; i += 1) {
        await setup.change({ agents: [{ ...agent, weight: i + 1 }], templates: [] });
        versions.push(await setup.store.version());
        expect(await setup.store.version()).toBe(versions.at(-1));
      }
      expect(new Set(versions).size).toBe(3);
    });
  });
}
