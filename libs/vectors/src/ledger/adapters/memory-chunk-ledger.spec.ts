import { chunkLedgerContract } from '../chunk-ledger.contract.js';
import { MemoryChunkLedger } from './memory-chunk-ledger.js';

chunkLedgerContract('MemoryChunkLedger', async () => ({ ledger: new MemoryChunkLedger() }));
