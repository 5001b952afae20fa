import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { vocabularyContract } from '../vocabulary.contract.js';
import { PostgresVocabulary } from './postgres-vocabulary.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());

const make = async (): Promise<PostgresVocabulary> => {
  await database.lane('work').query('TRUNCATE search_words');
  return new PostgresVocabulary(database.lane('work'));
};

vocabularyContract(make);

describe('a vocabulary in Postgres', () => {
  const stored = async () =>
    (await database.lane('work').query<{ word: string }>('SELECT word FROM search_words ORDER BY word')).map(({ word }) => word);

  it('keeps each word once, folded', async () => {
    const vocabulary = await make();
    await vocabulary.learn(['Cà phê', 'cà PHÊ', 'ca phe'.normalize('NFD')]);
    expect(await stored()).toEqual(['ca', 'phe']);
  });

  it('learns a thousand words of a flood and goes on', async () => {
    const vocabulary = await make();
    const letters = (n: number) => n.toString(26).replaceAll(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] ?? '');
    await vocabulary.learn([Array.from({ length: 3_000 }, (_, n) => `flood${letters(n)}`).join(' ')]);
    expect(await stored()).toHaveLength(1_000);
    await vocabulary.learn(['coffee']);
    expect(await vocabulary.respell(['cofee'])).toEqual([['coffee']]);
  });
});
