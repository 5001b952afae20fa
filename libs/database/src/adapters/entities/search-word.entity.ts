import { Entity, Index, PrimaryColumn } from 'typeorm';

/** Words that messages were written with, before ADR 17. Empty, and a trigger ignores inserts; a later version drops the table. */
@Entity('search_words')
@Index('search_words_trigrams', { synchronize: false })
export class SearchWordEntity {
  @PrimaryColumn({ type: 'text', name: 'word', collation: 'C', primaryKeyConstraintName: 'search_words_pkey' })
  word!: string;
}
