import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The words of each message, once more, for search (ADR 17). The text indexer writes them, not the message's commit. */
@Entity('message_texts')
@Index('message_texts_words', ['words'], { type: 'gin' })
@Index('message_texts_by_place', ['place'])
@Index('message_texts_by_conversation', ['conversationId', 'seq'])
export class MessageTextEntity {
  @PrimaryColumn({ type: 'uuid', name: 'message_id', primaryKeyConstraintName: 'message_texts_pkey' })
  messageId!: string;

  @Column({ type: 'uuid', name: 'conversation_id' })
  conversationId!: string;

  @Column({ type: 'bigint', name: 'seq' })
  seq!: string;

  /** Order in which messages came to Postgres, whatever the clocks of the gateways say; below 0: older than the table. */
  @Column({ type: 'bigint', name: 'place' })
  place!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  /** Version of the message whose words these are; a search drops what is out of date. */
  @Column({ type: 'int', name: 'version' })
  version!: number;

  /** Different words: what reading this row costs. */
  @Column({ type: 'int', name: 'word_count' })
  wordCount!: number;

  @Column({ type: 'text', name: 'sender_id', collation: 'C' })
  senderId!: string;

  /** `parley_words(content)`; empty when the message is deleted. */
  @Column({ type: 'tsvector', name: 'words' })
  words!: string;
}
