import { existsSync, readFileSync } from 'node:fs';
import { Column, DataSource, Entity, Index, PrimaryColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type FreshPlace, freshDatabase } from '#lib/testing/databases';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { beyondEntities } from './beyond-entities.js';
import { entities } from './entities.js';
import { TextBackfillEntity } from './text-backfill.entity.js';

/** Every trait of the schema as a line; what extensions and TypeORM's table of migrations bring is left out. */
const TRAITS = `
  WITH own AS (
    SELECT * FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'schema_migrations%'
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indrelid = to_regclass('schema_migrations'))
  ), owned AS (SELECT objid FROM pg_depend WHERE deptype = 'e')
  SELECT format('column %s.%s %s%s%s%s%s', relname, attname, format_type(atttypid, atttypmod),
                CASE WHEN attcollation <> typcollation THEN ' COLLATE ' || attcollation::regcollation END, CASE WHEN attnotnull THEN ' NOT NULL' END,
                ' DEFAULT ' || regexp_replace(pg_get_expr(adbin, adrelid), '^''(\\d+)''::.*', '\\1'), ' IDENTITY ' || nullif(attidentity::text, '')) AS trait
    FROM own JOIN pg_attribute a ON attrelid = own.oid AND attnum > 0 AND relkind = 'r' JOIN pg_type t ON t.oid = atttypid
    LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
  UNION ALL SELECT format('uncompressed %s.%s', relname, attname) FROM own JOIN pg_attribute ON attrelid = own.oid AND relkind = 'r' AND attstorage = 'e'
  UNION ALL SELECT format('constraint %s.%s %s', relname, conname, pg_get_constraintdef(c.oid)) FROM pg_constraint c JOIN own ON own.oid = conrelid
  UNION ALL SELECT 'index ' || regexp_replace(regexp_replace(pg_get_indexdef(oid), '^CREATE (UNIQUE )?INDEX (\\S+) ON public.', '\\1\\2 ON '), ' WITH \\([^)]*\\)', '')
    FROM own WHERE relkind = 'i'
  UNION ALL SELECT format('storage %s %s', relname, array_to_string(reloptions, ',')) FROM own WHERE reloptions IS NOT NULL
  UNION ALL SELECT format('toast %s %s', own.relname, array_to_string(t.reloptions, ',')) FROM own JOIN pg_class t ON t.oid = own.reltoastrelid AND t.reloptions IS NOT NULL
  UNION ALL SELECT format('function %s', proname) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND p.oid NOT IN (SELECT objid FROM owned)
  UNION ALL SELECT format('trigger %s.%s', relname, tgname) FROM pg_trigger JOIN own ON own.oid = tgrelid AND NOT tgisinternal`;

@Entity('text_backfill')
class TextBackfillWithOneMoreColumn {
  @PrimaryColumn({ type: 'uuid', name: 'before_id', primaryKeyConstraintName: 'text_backfill_pkey' })
  beforeId!: string;

  @Column({ type: 'bigint', name: 'next_place' })
  nextPlace!: string;

  @Column({ type: 'text', name: 'note', nullable: true })
  note!: string | null;
}
/** What a user wants to be told later. */
@Entity('reminders')
@Index('reminders_by_user', ['userId'])
class ReminderEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'reminders_pkey' })
  id!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'text', name: 'user_id', collation: 'C' })
  userId!: string;

  @Column({ type: 'text', name: 'note' })
  note!: string;
}

const withOneMoreColumn = [...entities.filter((entity) => entity !== TextBackfillEntity), TextBackfillWithOneMoreColumn];

const within = async <T>(
  url: string,
  classes: DataSource['options']['entities'],
  work: (dataSource: DataSource) => Promise<T>,
): Promise<T> => {
  const dataSource = new DataSource({ type: 'postgres', url, entities: classes, installExtensions: false, poolSize: 1 });
  await dataSource.initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
};

describe('the entities', () => {
  let migrated: MigratedDatabase;
  let empty: FreshPlace;
  let said: string[];
  const traitsOf = async (dataSource: DataSource) => (await dataSource.query<{ trait: string }[]>(TRAITS)).map(({ trait }) => trait);
  beforeAll(async () => {
    [migrated, empty] = await Promise.all([migratedDatabase(inject('stack').databaseUrl), freshDatabase(inject('stack').databaseUrl)]);
    said = await within(empty.url, entities, async (dataSource) => {
      await dataSource.synchronize();
      return traitsOf(dataSource);
    });
  });
  /** Traits of the migrated schema that no entity says. */
  const unsaid = async () => (await within(migrated.url, [], traitsOf)).filter((trait) => !said.includes(trait)).sort();
  afterAll(() => Promise.all([migrated.drop(), empty.drop()]));

  const toDo = (classes: DataSource['options']['entities']) =>
    within(migrated.url, classes, async (dataSource) =>
      (await dataSource.driver.createSchemaBuilder().log()).upQueries.map(({ query }) => query),
    );

  it('leave the schema builder nothing to do once the migrations ran', async () => {
    expect(await toDo(entities)).toEqual([]);
  });

  it('are noticed when they have one column more than the migrations made', async () => {
    expect(await toDo(withOneMoreColumn)).toEqual(['ALTER TABLE "text_backfill" ADD "note" text']);
  });

  it('make the same schema in an empty database, but for what stands in beyond-entities.ts', async () => {
    const made = await within(migrated.url, [], traitsOf);
    expect(said.filter((trait) => !made.includes(trait))).toEqual([]);
    expect(await unsaid()).toEqual(beyondEntities.map(({ trait }) => trait).sort());
  });

  describe('of the page on adding a table', () => {
    const page = readFileSync('docs/develop/add-a-table.md', 'utf8');
    const block = (language: string) => new RegExp(`\\n\`\`\`${language}\\n(.*?)\\n\`\`\``, 's').exec(page)?.[1] ?? '';

    it('agree with its migration', async () => {
      expect(readFileSync('libs/database/src/adapters/entities/entities.int-spec.ts', 'utf8')).toContain(block('ts'));
      await migrated.lane('work').query(block('sql'));
      expect(await toDo([...entities, ReminderEntity])).toEqual([]);
      const { id } = await within(migrated.url, [ReminderEntity], (dataSource) =>
        dataSource.getRepository(ReminderEntity).save({ id: crypto.randomUUID(), userId: 'alice', note: 'x' }),
      );
      expect(await migrated.lane('work').query('SELECT id FROM reminders')).toEqual([{ id }]);
      await migrated.lane('work').query('DROP TABLE reminders');
    });

    it('are missed by name when the migration ran and the entity was forgotten', async () => {
      await migrated.lane('work').query(block('sql'));
      expect(await unsaid()).toEqual(
        expect.arrayContaining(['column reminders.note text NOT NULL', 'index reminders_by_user ON reminders USING btree (user_id)']),
      );
      await migrated.lane('work').query('DROP TABLE reminders');
    });

    it('stand beside files that exist', () => {
      const paths = [...page.matchAll(/`((?:apps|libs|docs)\/[\w./-]+)`/g)].map(([, path = '']) => path);
      expect(paths.length).toBeGreaterThan(8);
      expect(paths.filter((path) => !existsSync(path) && !/create-reminders|reminder\.entity/.test(path))).toEqual([]);
    });
  });
});
