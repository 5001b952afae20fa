import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

const SLUG = '^[a-z0-9]+(-[a-z0-9]+)*$';
const TOPICS = `'family', 'friends', 'school', 'work', 'food', 'games', 'sports', 'movies', 'music', 'books', 'animals', 'travel', 'technology', 'health', 'feelings', 'other'`;

/** A text of the catalogue that activities are suggested from. Operators edit it. */
@Entity('prompt_templates')
@Index('prompt_templates_by_key', ['kind', 'key', 'language'])
@Check('prompt_templates_id_check', `id ~ '${SLUG}' AND char_length(id) <= 64`)
@Check('prompt_templates_kind_check', `kind IN ('guide', 'persona', 'greeting', 'topic')`)
@Check(
  'prompt_templates_key_check',
  `CASE WHEN kind IN ('persona', 'greeting') THEN key IN ('stranger', 'acquaintance', 'friend') ELSE key ~ '${SLUG}' AND char_length(key) <= 64 END`,
)
@Check('prompt_templates_topic_check', `CASE WHEN kind = 'topic' THEN topic IS NOT NULL AND topic IN (${TOPICS}) ELSE topic IS NULL END`)
@Check('prompt_templates_language_check', `language IN ('en', 'vi')`)
@Check('prompt_templates_text_check', `text ~ '\\S' AND char_length(text) <= 1000`)
export class PromptTemplateEntity {
  @Column({ type: 'boolean', name: 'is_enabled', default: true })
  isEnabled!: boolean;

  @PrimaryColumn({ type: 'text', name: 'id', collation: 'C', primaryKeyConstraintName: 'prompt_templates_pkey' })
  id!: string;

  @Column({ type: 'text', name: 'kind', collation: 'C' })
  kind!: 'guide' | 'persona' | 'greeting' | 'topic';

  /** Of a guide its tag, of a persona or a greeting the level, of a topic the category of agents. */
  @Column({ type: 'text', name: 'key', collation: 'C' })
  key!: string;

  @Column({ type: 'text', name: 'topic', collation: 'C', nullable: true })
  topic!: string | null;

  @Column({ type: 'text', name: 'language', collation: 'C' })
  language!: 'en' | 'vi';

  /** Of a topic: a first line about it. */
  @Column({ type: 'text', name: 'text' })
  text!: string;
}
