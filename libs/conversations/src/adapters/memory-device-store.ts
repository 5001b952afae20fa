import type { UserId } from '#lib/contracts/ids';
import type { DeviceId, DeviceRegistration } from '#lib/contracts/push';
import { DeviceStorePort, MAX_DEVICES, tooManyDevices } from '../device-store.port.js';

/** Devices in memory, for tests and development. */
export class MemoryDeviceStore extends DeviceStorePort {
  readonly devices = new Map<string, DeviceRegistration & { readonly userId: UserId; readonly id: DeviceId }>();

  async register(userId: UserId, id: DeviceId, registration: DeviceRegistration): Promise<void> {
    const key = keyOf(userId, id);
    const others = [...this.devices].filter(([other]) => other !== key);
    const moved = others.filter(([, { provider, token }]) => provider === registration.provider && token === registration.token);
    const own = others.filter(([, device]) => device.userId === userId && !moved.some(([, one]) => one === device));
    if (own.length >= MAX_DEVICES) throw tooManyDevices();
    for (const [other] of moved) this.devices.delete(other);
    this.devices.set(key, { ...registration, userId, id });
  }

  async remove(userId: UserId, id: DeviceId): Promise<void> {
    this.devices.delete(keyOf(userId, id));
  }
}

const keyOf = (userId: UserId, id: DeviceId): string => `${userId} ${id}`;
