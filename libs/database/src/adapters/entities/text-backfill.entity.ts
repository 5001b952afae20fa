import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One row while messages from before `texts_to_index` are still to be enlisted; none afterwards. */
@Entity('text_backfill')
export class TextBackfillEntity {
  /** Messages with a smaller id are still to be enlisted. Nil: all are, and their former index is still to be removed. */
  @PrimaryColumn({ type: 'uuid', name: 'before_id', primaryKeyConstraintName: 'text_backfill_pkey' })
  beforeId!: string;

  @Column({ type: 'bigint', name: 'next_place' })
  nextPlace!: string;
}
