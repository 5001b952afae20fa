import { consistencyRunsContract } from '../consistency-runs.contract.js';
import { MemoryConsistencyRuns } from './memory-consistency-runs.js';

consistencyRunsContract('MemoryConsistencyBoard', async () => ({ board: new MemoryConsistencyRuns() }));
