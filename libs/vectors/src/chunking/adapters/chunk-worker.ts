import type { Chunk } from '../chunk.js';
import { type ChunkSource, chunkMessage } from '../chunk-message.js';

/** Entry of a thread of ChunkThreads. Everything that it imports must be loadable without a build (thread-entry.ts). */
export default (sources: readonly ChunkSource[]): Chunk[][] => sources.map(chunkMessage);
