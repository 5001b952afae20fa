import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';

/** A device that a user's pushes go to. `id` is the name that its app gave it; `token` is its address at the provider. */
@Entity('devices')
@Check('devices_provider_check', `provider IN ('fcm', 'onesignal')`)
@Unique('devices_token', ['provider', 'token'])
export class DeviceEntity {
  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3, default: () => 'now()' })
  updatedAt!: Date;

  @PrimaryColumn({ type: 'text', name: 'user_id', collation: 'C', primaryKeyConstraintName: 'devices_pkey' })
  userId!: string;

  @PrimaryColumn({ type: 'text', name: 'id', collation: 'C', primaryKeyConstraintName: 'devices_pkey' })
  id!: string;

  @Column({ type: 'text', name: 'provider', collation: 'C' })
  provider!: 'fcm' | 'onesignal';

  @Column({ type: 'text', name: 'token', collation: 'C' })
  token!: string;
}
