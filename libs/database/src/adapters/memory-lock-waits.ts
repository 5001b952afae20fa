import { type LockWait, LockWaitsPort } from '../lock-waits.port.js';

/** No locks: on memory each change happens in one turn of the event loop. */
export class MemoryLockWaits extends LockWaitsPort {
  override async read(): Promise<LockWait[]> {
    return [];
  }
}
