import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

const SLUG = '^[a-z0-9]+(-[a-z0-9]+)*$';

/** An agent of the catalogue that activities are suggested from. Operators edit it. */
@Entity('agents')
@Check('agents_id_check', `id ~ '${SLUG}' AND char_length(id) <= 64`)
@Check('agents_type_check', `type IN ('talk', 'story', 'game', 'quiz', 'exercise', 'review', 'wrap_up')`)
@Check('agents_category_check', `category ~ '${SLUG}' AND char_length(category) <= 64`)
@Check('agents_guide_check', `guide ~ '${SLUG}' AND char_length(guide) <= 64`)
@Check('agents_levels_check', `levels <@ '{stranger,acquaintance,friend}'::text[] AND cardinality(levels) BETWEEN 1 AND 3`)
@Check('agents_weight_check', 'weight > 0 AND weight <= 10')
@Check('agents_backup_check', `NOT is_backup OR type NOT IN ('review', 'wrap_up')`)
export class AgentEntity {
  /** How often it is suggested, compared with others. */
  @Column({ type: 'float8', name: 'weight', default: 1 })
  weight!: number;

  /** Offered when no candidate is wanted, never as one. */
  @Column({ type: 'boolean', name: 'is_backup', default: false })
  isBackup!: boolean;

  @Column({ type: 'boolean', name: 'is_enabled', default: true })
  isEnabled!: boolean;

  @PrimaryColumn({ type: 'text', name: 'id', collation: 'C', primaryKeyConstraintName: 'agents_pkey' })
  id!: string;

  @Column({ type: 'text', name: 'type', collation: 'C' })
  type!: string;

  /** Key of the templates of kind `topic` that it may talk about. */
  @Column({ type: 'text', name: 'category', collation: 'C' })
  category!: string;

  /** Key of its template of kind `guide`. */
  @Column({ type: 'text', name: 'guide', collation: 'C' })
  guide!: string;

  @Column({ type: 'text', name: 'levels', array: true, default: () => `'{stranger,acquaintance,friend}'` })
  levels!: string[];
}
