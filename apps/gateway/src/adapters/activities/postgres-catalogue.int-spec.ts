import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Level } from '#lib/contracts/scores';
import { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import type { Execute, PostgresLane, Query, Statement } from '#lib/database/adapters/lanes/postgres-lane';
import { PostgresFriendshipStore } from '#lib/scores/friendship/adapters/postgres-friendship-store';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { builtInRows } from '../../activities/built-in-catalogue.js';
import { catalogueContract } from '../../activities/catalogue.contract.js';
import { Catalogue, type CatalogueRows } from '../../activities/catalogue.js';
import { chooseActivities } from '../../activities/choose-activities.js';
import { MAX_AGENTS, MAX_TEMPLATES } from '../../activities/catalogue.port.js';
import { PostgresCatalogue } from './postgres-catalogue.js';

const replaceIn = (lane: PostgresLane) => (rows: CatalogueRows) =>
  lane.transaction(async (query) => {
    await query('DELETE FROM agents');
    await query('DELETE FROM prompt_templates');
    for (const { id, type, category, guide, weight, levels, isBackup } of rows.agents) {
      const values = [id, type, category, guide, weight, levels, isBackup];
      await query('INSERT INTO agents (id, type, category, guide, weight, levels, is_backup) VALUES ($1, $2, $3, $4, $5, $6, $7)', values);
    }
    for (const { id, kind, key, topic, language, text } of rows.templates) {
      const values = [id, kind, key, topic, language, text];
      await query('INSERT INTO prompt_templates (id, kind, key, topic, language, text) VALUES ($1, $2, $3, $4, $5, $6)', values);
    }
  });

catalogueContract('PostgresCatalogue', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return {
    store: new PostgresCatalogue(database.dataSource),
    change: replaceIn(database.lane('work')),
    close: () => database.drop(),
  };
});

describe('the catalogue in Postgres', () => {
  let database: MigratedDatabase;
  let lane: PostgresLane;
  let store: PostgresCatalogue;
  beforeAll(async () => {
    database = await migratedDatabase(inject('stack').databaseUrl);
    lane = database.lane('work');
    store = new PostgresCatalogue(database.dataSource);
  });
  afterAll(() => database.drop());

  const run = (sql: string) => lane.query(sql);
  const refusal = async (sql: string) => (await run(sql).catch((error: unknown) => error)) as { constraint?: string; message?: string };

  it('has from the first migration on what each level needs, in both languages, with every agent that is built in', async () => {
    const rows = await store.rows();
    const catalogue = new Catalogue(await store.version(), rows);
    for (const level of Level.options) {
      for (const language of ['en', 'vi'] as const) {
        const chosen = chooseActivities(catalogue, { userId: 'alice', level, topicMetrics: {} }, language, new Date());
        expect([chosen.candidates.length, chosen.backups.length]).toEqual([5, 3]);
        const { greeting, persona, review, wrapUp, candidates, backups } = chosen;
        const texts = [review, wrapUp, ...candidates, ...backups].flatMap((activity) => [activity?.guide, activity?.opener]);
        expect([greeting, persona, ...texts].filter((text) => typeof text !== 'string')).toEqual([]);
      }
    }
    const english = rows.templates.filter(({ language }) => language === 'en');
    expect(rows.templates).toHaveLength(2 * english.length);
    const ids = rows.agents.map(({ id }) => id);
    expect(builtInRows.agents.filter(({ id }) => !ids.includes(id))).toEqual([]);
  });

  it('leaves out what is switched off', async () => {
    const count = async () => ((rows) => [rows.agents.length, rows.templates.length])(await store.rows());
    const [agents = 0, templates = 0] = await count();
    await run(`UPDATE agents SET is_enabled = false WHERE id = 'calm-minute'`);
    await run(`UPDATE prompt_templates SET is_enabled = false WHERE id = 'greeting-friend-2-vi'`);
    expect(await count()).toEqual([agents - 1, templates - 1]);
    await run(`UPDATE agents SET is_enabled = true`);
    await run(`UPDATE prompt_templates SET is_enabled = true`);
  });

  it.each([
    ['an id with capitals', `UPDATE agents SET id = 'Day-Starter' WHERE id = 'day-starter'`, 'agents_id_check'],
    ['an unknown type', `UPDATE agents SET type = 'dance'`, 'agents_type_check'],
    ['an unknown level', `UPDATE agents SET levels = '{stranger,enemy}'`, 'agents_levels_check'],
    ['no level', `UPDATE agents SET levels = '{}'`, 'agents_levels_check'],
    ['an empty level', `UPDATE agents SET levels = '{NULL}'`, 'agents_levels_check'],
    ['a weight of 0', `UPDATE agents SET weight = 0`, 'agents_weight_check'],
    ['a weight that is no number', `UPDATE agents SET weight = 'NaN'`, 'agents_weight_check'],
    ['a backup that ends the day', `UPDATE agents SET is_backup = true WHERE type = 'wrap_up'`, 'agents_backup_check'],
    ['an unknown kind of text', `UPDATE prompt_templates SET kind = 'joke'`, 'prompt_templates_kind_check'],
    ['a greeting for an unknown level', `UPDATE prompt_templates SET key = 'enemy' WHERE kind = 'greeting'`, 'prompt_templates_key_check'],
    ['an unknown topic', `UPDATE prompt_templates SET topic = 'war' WHERE kind = 'topic'`, 'prompt_templates_topic_check'],
    ['a topic without one', `UPDATE prompt_templates SET topic = NULL WHERE kind = 'topic'`, 'prompt_templates_topic_check'],
    ['a guide with a topic', `UPDATE prompt_templates SET topic = 'food' WHERE kind = 'guide'`, 'prompt_templates_topic_check'],
    ['another language', `UPDATE prompt_templates SET language = 'de'`, 'prompt_templates_language_check'],
    ['a text of blanks', `UPDATE prompt_templates SET text = E' \\n'`, 'prompt_templates_text_check'],
    ['a text that is too long', `UPDATE prompt_templates SET text = repeat('x', 1001)`, 'prompt_templates_text_check'],
    ['a second version', `INSERT INTO catalogue_version (only_row) VALUES (false)`, 'catalogue_version_only_row_check'],
  ])('refuses %s', async (_, sql, constraint) => {
    expect(await refusal(sql)).toMatchObject({ constraint });
  });

  it('refuses more than a gateway holds, and says so', async () => {
    const before = await store.version();
    const agents = `INSERT INTO agents (id, type, category, guide) SELECT 'more-' || i, 'talk', 'play', 'ask' FROM generate_series(1, ${MAX_AGENTS}) i`;
    const templates = `INSERT INTO prompt_templates (id, kind, key, language, text) SELECT 'more-' || i, 'guide', 'ask', 'en', 'x' FROM generate_series(1, ${MAX_TEMPLATES}) i`;
    expect((await refusal(agents)).message).toBe('the catalogue has more than 500 agents: remove some first');
    expect((await refusal(templates)).message).toBe('the catalogue has more than 2000 prompt templates: remove some first');
    expect(await store.version()).toBe(before);
  });

  it('has another version after a TRUNCATE and after an edit of one letter', async () => {
    const versions = [await store.version()];
    await run(`UPDATE prompt_templates SET text = text || '!' WHERE id = 'greeting-friend-1-en'`);
    versions.push(await store.version());
    await run('TRUNCATE agents');
    versions.push(await store.version());
    expect(new Set(versions).size).toBe(3);
  });

  it('is changed by two operators one after the other, never beyond its size', async () => {
    await run('DELETE FROM agents');
    const half = (name: string) =>
      run(
        `INSERT INTO agents (id, type, category, guide) SELECT '${name}-' || i, 'talk', 'play', 'ask' FROM generate_series(1, ${MAX_AGENTS - 1}) i`,
      );
    const outcomes = await Promise.allSettled([half('one'), half('other')]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect((await store.rows()).agents).toHaveLength(MAX_AGENTS - 1);
  });

  describe('with as many rows as it may have, and 20,000 users', () => {
    beforeAll(async () => {
      await run(
        `INSERT INTO prompt_templates (id, kind, key, language, text)
         SELECT 'fill-' || i, 'guide', 'tag-' || i % 100, 'en', 'x' FROM generate_series(1, ${MAX_TEMPLATES} - (SELECT count(*) FROM prompt_templates)::int) i`,
      );
      await run(
        `INSERT INTO friendship_statuses (user_id, score, topic_metrics, degraded_ends, version) SELECT 'user-' || i, 0, '{}', '{}', 1 FROM generate_series(1, 20000) i`,
      );
      await run('ANALYZE prompt_templates, friendship_statuses, agents');
    });

    it('finds the texts of a key by their index', async () => {
      const plan = await run(`EXPLAIN SELECT * FROM prompt_templates WHERE kind = 'guide' AND key = 'tag-7' AND language = 'en'`);
      expect(JSON.stringify(plan)).toContain('prompt_templates_by_key');
    });

    it('is read within 100 ms', async () => {
      await store.rows();
      const startedAt = performance.now();
      expect((await store.rows()).templates).toHaveLength(MAX_TEMPLATES);
      expect(performance.now() - startedAt).toBeLessThan(100 + 900); // a busy machine
    });

    it('costs a request one read by the primary key of the user, which locks nothing and stores nothing', async () => {
      const statements: string[] = [];
      const noted = (statement: Statement) => {
        statements.push(typeof statement === 'string' ? statement : statement.text);
        return statement;
      };
      const query: Query = (statement, values) => lane.query(noted(statement), values);
      const execute: Execute = (statement, values) => lane.execute(noted(statement), values);
      const recording = Object.assign(Object.create(lane) as PostgresLane, { query, execute });
      await new PostgresFriendshipStore(recording, await LaneDataSource.over(recording)).find('user-777');
      expect(statements).toHaveLength(1);
      const [statement = ''] = statements;
      expect(statement).not.toMatch(/FOR (UPDATE|SHARE)/i);
      const plan = JSON.stringify(await run(`EXPLAIN ${statement.replaceAll('$1', `'user-777'`)}`));
      expect(plan).toContain('friendship_statuses_pkey');
      expect(plan).not.toContain('Seq Scan');
    });
  });
});
