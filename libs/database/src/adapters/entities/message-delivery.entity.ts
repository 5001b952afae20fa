import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** Which version of a message went out to the sockets of its members. */
@Entity('message_deliveries')
@Check('message_deliveries_version_check', 'version > 0')
@Check('message_deliveries_state_check', `state IN ('delivered', 'failed')`)
export class MessageDeliveryEntity {
  @PrimaryColumn({ type: 'uuid', name: 'message_id', primaryKeyConstraintName: 'message_deliveries_pkey' })
  messageId!: string;

  @Column({ type: 'timestamptz', name: 'at', precision: 3 })
  at!: Date;

  @Column({ type: 'int', name: 'version' })
  version!: number;

  /** `failed`: its event is a dead letter. */
  @Column({ type: 'text', name: 'state' })
  state!: 'delivered' | 'failed';
}
