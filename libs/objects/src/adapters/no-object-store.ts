import { ObjectStorePort } from '../object-store.port.js';

/** A deployment without an object store: there is nothing in it. */
export class NoObjectStore extends ObjectStorePort {
  override readonly isConfigured = false;

  override put(): Promise<void> {
    return Promise.reject(new Error('this deployment has no object store: OBJECT_STORE_URL is not set'));
  }

  override async get(): Promise<undefined> {
    return undefined;
  }

  override async remove(): Promise<number> {
    return 0;
  }

  override async keys(): Promise<string[]> {
    return [];
  }
}
