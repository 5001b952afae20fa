import { beforeEach, describe, expect, it } from 'vitest';
import type { VocabularyPort } from './vocabulary.port.js';

/** What every vocabulary promises. `make` gives an empty one. */
export const vocabularyContract = (make: () => Promise<VocabularyPort>): void => {
  describe('a vocabulary', () => {
    let vocabulary: VocabularyPort;
    beforeEach(async () => {
      vocabulary = await make();
    });
    const respelled = async (word: string) => (await vocabulary.respell([word]))[0];

    it.each([
      ['cofee', 'coffee'],
      ['coffeee', 'coffee'],
      ['machne', 'machine'],
      ['weekned', 'weekend'],
      ['CỌFEE', 'coffee'],
      ['caphe', 'ca phe'],
      ['càphê', 'ca phe'],
      ['theweekend', 'the weekend'],
    ])('takes %s for %s', async (typo, meant) => {
      await vocabulary.learn(['The coffee machine is for the weekend', 'một ly Cà phê']);
      expect((await respelled(typo))?.[0]).toBe(meant);
    });

    it.each(['coffee', 'COFFEE', 'phê', 'phe', 'xylophone', 'co', '42', ''])('leaves %j alone', async (word) => {
      await vocabulary.learn(['coffee phone phê 423']);
      expect(await respelled(word)).toEqual([]);
    });

    it('answers word by word, in the order of the question', async () => {
      await vocabulary.learn(['coffee machine']);
      expect(await vocabulary.respell(['machne', 'machine', 'cofee'])).toEqual([['machine'], [], ['coffee']]);
      expect(await vocabulary.respell([])).toEqual([]);
    });

    it('gives at most four spellings', async () => {
      await vocabulary.learn(['coffeea coffeeb coffeec coffeed coffeef coffeeg']);
      expect(await respelled('coffee')).toHaveLength(4);
    });

    it('learns the same again and from several texts at once', async () => {
      await Promise.all([vocabulary.learn(['alpha beta gamma']), vocabulary.learn(['gamma beta alpha']), vocabulary.learn([])]);
      await vocabulary.learn(['alpha']);
      expect(await vocabulary.respell(['alpa', 'gama'])).toEqual([['alpha'], ['gamma']]);
    });

    it('does not learn what is no word', async () => {
      await vocabulary.learn([`a1b2c3 ${'x'.repeat(25)} \u{1f642} -- '" \\ ; DROP TABLE`]);
      expect(await vocabulary.respell(['a1b2c4', 'x'.repeat(24), 'tabel'])).toEqual([[], [], ['table']]);
    });
  });
};
