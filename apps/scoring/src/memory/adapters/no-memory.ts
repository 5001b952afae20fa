import { MemoryPort } from '../memory.port.js';

/** Without MEMORY_API_URL: nothing is remembered. */
export class NoMemory extends MemoryPort {
  override async newMemories(): Promise<number> {
    return 0;
  }
}
