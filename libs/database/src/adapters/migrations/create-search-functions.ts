import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * `parley_fold(text)`: what makes "Cà phê" and "ca phe" the same text for search, with one definition for indexes and queries.
 * NFC first, because `unaccent` knows letters and not combining marks; its rules include đ and Đ.
 */
export class CreateSearchFunctions1763690400000 implements MigrationInterface {
  readonly name = 'CreateSearchFunctions1763690400000';

  async up(runner: QueryRunner): Promise<void> {
    // Both are "trusted" extensions: the owner of the database may create them.
    await runner.query('CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public');
    await runner.query('CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public');
    // unaccent is only STABLE because its dictionary could be replaced; the one that is named here is not. An operator who edits
    // unaccent.rules must REINDEX the full-text index of `messages` and empty `search_words`. Measured: 3 microseconds for a message of 80 characters.
    await runner.query(`
      CREATE FUNCTION parley_fold(value text) RETURNS text
      LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
      RETURN lower(public.unaccent('public.unaccent'::regdictionary, normalize(value, NFC)))
    `);
  }

  readonly down = forwardOnly;
}
