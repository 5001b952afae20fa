import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** Queue of the text indexer: a row for each message whose words are out of date, written by a trigger in the message's commit. */
@Entity('texts_to_index')
@Index('texts_to_index_failed', ['id'], { where: 'attempts > 0' })
export class TextToIndexEntity {
  /** Order of work, and the message's place; below 0, newest first: stored before this table was there (`text_backfill`). */
  @PrimaryGeneratedColumn('identity', {
    name: 'id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
    primaryKeyConstraintName: 'texts_to_index_pkey',
  })
  id!: string;

  @Column({ type: 'uuid', name: 'message_id' })
  messageId!: string;

  @Column({ type: 'timestamptz', name: 'changed_at', default: () => 'now()' })
  changedAt!: Date;

  /** Tries that failed for this text alone; at 3 the indexer gives up. */
  @Column({ type: 'smallint', name: 'attempts', default: 0 })
  attempts!: number;

  @Column({ type: 'text', name: 'failure', nullable: true })
  failure!: string | null;
}
