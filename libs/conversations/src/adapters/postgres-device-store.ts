import type { UserId } from '#lib/contracts/ids';
import type { DeviceId, DeviceRegistration } from '#lib/contracts/push';
import { DeviceEntity } from '#lib/database/adapters/entities/device.entity';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { DeviceStorePort, MAX_DEVICES, tooManyDevices } from '../device-store.port.js';

// The token first, the user second, in every process: two registrations never wait for each other in a circle.
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0)), pg_advisory_xact_lock(hashtextextended($2, 1))`;

const REGISTER = `
  INSERT INTO devices (user_id, id, provider, token)
  SELECT $1, $2, $3, $4
   WHERE (SELECT count(*) FROM devices WHERE user_id = $1 AND id <> $2) < ${MAX_DEVICES}
  ON CONFLICT (user_id, id) DO UPDATE SET provider = excluded.provider, token = excluded.token, updated_at = now()
  RETURNING id`;

/** Devices in the table `devices`. */
export class PostgresDeviceStore extends DeviceStorePort {
  constructor(private readonly dataSource: LaneDataSource) {
    super();
  }

  async register(userId: UserId, id: DeviceId, { provider, token }: DeviceRegistration): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK, [`${provider} ${token}`, userId]);
      const devices = manager.createQueryBuilder().delete().from(DeviceEntity);
      await devices
        .where('provider = :provider AND token = :token', { provider, token })
        .andWhere('(user_id, id) <> (:userId, :id)', { userId, id })
        .execute();
      const registered = await manager.query<object[]>(REGISTER, [userId, id, provider, token]);
      if (registered.length === 0) throw tooManyDevices();
    });
  }

  async remove(userId: UserId, id: DeviceId): Promise<void> {
    await this.dataSource.getRepository(DeviceEntity).delete({ userId, id });
  }
}
