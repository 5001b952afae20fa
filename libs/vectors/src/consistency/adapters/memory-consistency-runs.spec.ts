import { consistencyRunsContract } from '../consistency-runs.contract.js';
import { MemoryConsistencyRuns } from './memory-consistency-runs.js';

consistencyRunsContract('MemoryConsistencyRuns', async () => ({ runs: new MemoryConsistencyRuns() }));
