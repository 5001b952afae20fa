import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The intent log of the vector store: writes under way, or without an answer that says whether they happened (ADR 19). */
@Entity('vector_writes')
export class VectorWriteEntity {
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'vector_writes_pkey' })
  id!: string;

  @Column({ type: 'timestamptz', name: 'begun_at', default: () => 'now()' })
  begunAt!: Date;

  @Column({ type: 'timestamptz', name: 'checked_at', nullable: true })
  checkedAt!: Date | null;

  @Column({ type: 'int', name: 'checks', default: 0 })
  checks!: number;

  @Column({ type: 'uuid', name: 'message_ids', array: true })
  messageIds!: string[];
}
