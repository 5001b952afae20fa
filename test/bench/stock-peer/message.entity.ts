import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

@Entity('stock_messages')
export class StockMessage {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  conversationId!: string;

  @Column('text')
  content!: string;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt!: Date;
}
