import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { DeviceId, DeviceRegistration } from '#lib/contracts/push';

/** Devices that a user may have: each of its messages is sent to all of them. */
export const MAX_DEVICES = 10;

/** The devices that users want pushes on. All calls throw DependencyError when Postgres cannot. */
export abstract class DeviceStorePort {
  /**
   * Registers a device of `userId`, or gives it another token; the same again changes nothing. A token that another device has moves here: a
   * phone that is handed on belongs to its newest user. @throws ProblemError `validation` for one device more than MAX_DEVICES.
   */
  abstract register(userId: UserId, id: DeviceId, registration: DeviceRegistration): Promise<void>;
  /** Removes a device of `userId`; one that is not there is removed already. */
  abstract remove(userId: UserId, id: DeviceId): Promise<void>;
}

/** The answer to a user who registers one device more than MAX_DEVICES. */
export const tooManyDevices = (): ProblemError =>
  new ProblemError('validation', `You have ${MAX_DEVICES} devices, the most that a user may have: remove one first.`);
