import { type LockWait, LockWaitsPort } from '../lock-waits.port.js';

/** Nobody waits for a lock where everything happens in one turn of the event loop. */
export class MemoryLockWaits extends LockWaitsPort {
  override async read(): Promise<LockWait[]> {
    return [];
  }
}
