import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** One row that rises with every change of agents and prompt templates. */
@Entity('catalogue_version')
@Check('catalogue_version_only_row_check', 'only_row')
export class CatalogueVersionEntity {
  @PrimaryColumn({ type: 'boolean', name: 'only_row', default: true, primaryKeyConstraintName: 'catalogue_version_pkey' })
  onlyRow!: boolean;

  @Column({ type: 'bigint', name: 'version', default: 1 })
  version!: string;

  @Column({ type: 'timestamptz', name: 'changed_at', default: () => 'now()' })
  changedAt!: Date;
}
