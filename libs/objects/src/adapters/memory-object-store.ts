import { type ObjectAbout, objectKey, ObjectStorePort } from '../object-store.port.js';

/** Objects in memory: for the embedded mode and unit tests. */
export class MemoryObjectStore extends ObjectStorePort {
  override readonly isConfigured = true;
  readonly objects = new Map<string, { readonly bytes: Buffer; readonly about: ObjectAbout }>();

  override async put(key: string, bytes: Uint8Array, about: ObjectAbout): Promise<void> {
    this.objects.set(objectKey(key), { bytes: Buffer.from(bytes), about });
  }

  override async get(key: string, maxBytes: number): Promise<Buffer | undefined> {
    const bytes = this.objects.get(objectKey(key))?.bytes;
    if (bytes !== undefined && bytes.length > maxBytes) throw new RangeError(`the object has more than ${maxBytes} bytes`);
    return bytes;
  }

  override async remove(keys: readonly string[]): Promise<number> {
    return keys.filter((key) => this.objects.delete(objectKey(key))).length;
  }

  override async keys(prefix: string, limit: number, after = ''): Promise<string[]> {
    const found = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
    return found.sort().slice(0, limit);
  }
}
