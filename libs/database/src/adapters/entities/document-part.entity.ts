import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/** A part of a document: to indexing what a message is. What a search filters by stands here once more, so that no search joins. */
@Entity('document_parts')
@Unique('document_parts_place', ['documentId', 'place'])
@Index('document_parts_words', ['words'], { type: 'gin' })
@Index('document_parts_by_conversation', ['conversationId', 'id'])
@Index('document_parts_wordless', ['id'], { where: 'words IS NULL' })
export class DocumentPartEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'document_parts_pkey' })
  id!: string;

  @Column({ type: 'uuid', name: 'document_id' })
  documentId!: string;

  @Column({ type: 'uuid', name: 'conversation_id' })
  conversationId!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  /** 1, 2, 3, ... in the document. */
  @Column({ type: 'int', name: 'place' })
  place!: number;

  /** Different words: what reading `words` costs. */
  @Column({ type: 'int', name: 'word_count', default: 0 })
  wordCount!: number;

  @Column({ type: 'text', name: 'owner_id', collation: 'C' })
  ownerId!: string;

  @Column({ type: 'text', name: 'content' })
  content!: string;

  /** `parley_words(content)`; null: not made yet. */
  @Column({ type: 'tsvector', name: 'words', nullable: true })
  words!: string | null;
}
