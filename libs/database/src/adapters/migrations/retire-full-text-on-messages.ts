import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * Takes the full-text index off `messages`, whose every commit it could hold up, and the words of all users out of one table (ADR 17).
 * Both in a way that the previous version can run beside: the index goes when all messages are in `message_texts`, by `end_text_backfill()`;
 * `search_words` stays, empty and deaf, because the previous embedding process still writes to it. A later version drops the table.
 */
export class RetireFullTextOnMessages1764000420000 implements MigrationInterface {
  readonly name = 'RetireFullTextOnMessages1764000420000';

  async up(runner: QueryRunner): Promise<void> {
    // With the rights of the tables' owner: the role of the text indexer may not alter the schema. NOWAIT: a lock that waits behind a long
    // reader (pg_dump) makes every send wait behind it.
    await runner.query(`
      CREATE FUNCTION end_text_backfill() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
      BEGIN
        LOCK TABLE messages IN ACCESS EXCLUSIVE MODE NOWAIT;
        DELETE FROM text_backfill;
        DROP INDEX IF EXISTS messages_full_text;
        RETURN true;
      EXCEPTION WHEN lock_not_available THEN
        RETURN false;
      END
      $function$
    `);
    const [messages] = (await runner.query('SELECT EXISTS (SELECT FROM text_backfill) AS exist')) as { exist: boolean }[];
    if (messages?.exist === false) await runner.query('DROP INDEX messages_full_text');
    await runner.query('TRUNCATE search_words');
    await runner.query(`
      CREATE FUNCTION ignore_row() RETURNS trigger LANGUAGE plpgsql AS $function$
      BEGIN
        RETURN NULL;
      END
      $function$
    `);
    await runner.query('CREATE TRIGGER learn_nothing BEFORE INSERT ON search_words FOR EACH ROW EXECUTE FUNCTION ignore_row()');
  }

  readonly down = forwardOnly;
}
