import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * What activities are suggested from, edited by operators with SQL (docs/operate/activities.md).
 *
 *   agents             who does activities of a type with users of some levels
 *   prompt_templates   texts by their key: a guide by its tag, persona and greeting by level, a topic with an opener by the category of agents
 *   catalogue_version  rises with every change of either: gateways look at it, and read the catalogue again
 *
 * A catalogue is held in memory by every gateway process, so its size has a bound: the trigger refuses what is beyond it.
 */
export class CreateActivityCatalogue1764000700000 implements MigrationInterface {
  readonly name = 'CreateActivityCatalogue1764000700000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE agents (
        weight float8 NOT NULL DEFAULT 1,
        is_backup boolean NOT NULL DEFAULT false,
        is_enabled boolean NOT NULL DEFAULT true,
        id text COLLATE "C" NOT NULL PRIMARY KEY,
        type text COLLATE "C" NOT NULL,
        category text COLLATE "C" NOT NULL,
        guide text COLLATE "C" NOT NULL,
        levels text[] NOT NULL DEFAULT '{stranger,acquaintance,friend}',
        CONSTRAINT agents_id_check CHECK (id ~ '${SLUG}' AND char_length(id) <= 64),
        CONSTRAINT agents_type_check CHECK (type IN ('talk', 'story', 'game', 'quiz', 'exercise', 'review', 'wrap_up')),
        CONSTRAINT agents_category_check CHECK (category ~ '${SLUG}' AND char_length(category) <= 64),
        CONSTRAINT agents_guide_check CHECK (guide ~ '${SLUG}' AND char_length(guide) <= 64),
        CONSTRAINT agents_levels_check CHECK (levels <@ '{stranger,acquaintance,friend}'::text[] AND cardinality(levels) BETWEEN 1 AND 3),
        CONSTRAINT agents_weight_check CHECK (weight > 0 AND weight <= 10),
        CONSTRAINT agents_backup_check CHECK (NOT is_backup OR type NOT IN ('review', 'wrap_up'))
      )
    `);
    await runner.query(`
      CREATE TABLE prompt_templates (
        is_enabled boolean NOT NULL DEFAULT true,
        id text COLLATE "C" NOT NULL PRIMARY KEY,
        kind text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        topic text COLLATE "C",
        language text COLLATE "C" NOT NULL,
        text text NOT NULL,
        CONSTRAINT prompt_templates_id_check CHECK (id ~ '${SLUG}' AND char_length(id) <= 64),
        CONSTRAINT prompt_templates_kind_check CHECK (kind IN ('guide', 'persona', 'greeting', 'topic')),
        CONSTRAINT prompt_templates_key_check CHECK (
          CASE WHEN kind IN ('persona', 'greeting') THEN key IN ('stranger', 'acquaintance', 'friend')
               ELSE key ~ '${SLUG}' AND char_length(key) <= 64 END
        ),
        CONSTRAINT prompt_templates_topic_check CHECK (
          CASE WHEN kind = 'topic' THEN topic IS NOT NULL AND topic IN (${TOPICS}) ELSE topic IS NULL END
        ),
        CONSTRAINT prompt_templates_language_check CHECK (language IN ('en', 'vi')),
        CONSTRAINT prompt_templates_text_check CHECK (text ~ '\\S' AND char_length(text) <= 1000)
      )
    `);
    await runner.query('CREATE INDEX prompt_templates_by_key ON prompt_templates (kind, key, language)');
    await runner.query(`
      CREATE TABLE catalogue_version (
        only_row boolean PRIMARY KEY DEFAULT true,
        version bigint NOT NULL DEFAULT 1,
        changed_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT catalogue_version_only_row_check CHECK (only_row)
      )
    `);
    await runner.query('INSERT INTO catalogue_version DEFAULT VALUES');
    // The update locks the row until the change commits: changes come one after the other, so each counts what the ones before it left.
    await runner.query(`
      CREATE FUNCTION raise_catalogue_version() RETURNS trigger LANGUAGE plpgsql AS $function$
      BEGIN
        UPDATE catalogue_version SET version = version + 1, changed_at = now();
        IF (SELECT count(*) FROM agents) > 500 THEN
          RAISE EXCEPTION 'the catalogue has more than 500 agents: remove some first' USING ERRCODE = 'program_limit_exceeded';
        END IF;
        IF (SELECT count(*) FROM prompt_templates) > 2000 THEN
          RAISE EXCEPTION 'the catalogue has more than 2000 prompt templates: remove some first' USING ERRCODE = 'program_limit_exceeded';
        END IF;
        RETURN NULL;
      END
      $function$
    `);
    for (const table of ['agents', 'prompt_templates']) {
      await runner.query(`
        CREATE TRIGGER raise_catalogue_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION raise_catalogue_version()
      `);
    }
  }

  readonly down = forwardOnly;
}

const SLUG = '^[a-z0-9]+(-[a-z0-9]+)*$';
// As in the contract when this was written; a later topic is a later migration.
const TOPICS = `'family', 'friends', 'school', 'work', 'food', 'games', 'sports', 'movies', 'music', 'books', 'animals', 'travel', 'technology', 'health', 'feelings', 'other'`;
