import { messageSignalsContract } from '../message-signals.contract.js';
import { MemoryMessageSignals } from './memory-message-signals.js';

messageSignalsContract('MemoryMessageSignals', async () => ({ signals: new MemoryMessageSignals() }));
